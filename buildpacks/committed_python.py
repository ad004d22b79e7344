"""Pythons that were committed with a project: a virtualenv is of one machine, and of no use on another.

.venv/pyvenv.cfg      made by `python -m venv .venv` or uv
.heroku/python/       where Heroku keeps its own
"""

from __future__ import annotations

from pathlib import Path

from toppcloud.errors import ToppcloudError

_USUAL = (".venv", "venv", "env", ".env", "virtualenv")
_HEROKU = ".heroku/python"


def find_committed_virtualenvs(source: Path) -> list[str]:
    """Folders at the top that are virtualenvs: `pyvenv.cfg` says so, or an interpreter in a folder of that name."""
    found = []
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.is_symlink():
            has_python = (path / "bin/python").is_symlink() or (path / "bin/python").is_file()
            is_one = (path / "pyvenv.cfg").is_file() or (has_python and (path.name in _USUAL or _has_packages(path)))
            found += [path.name] if is_one else []
    return found


def refuse_committed_python(source: Path) -> None:
    """Raises ToppcloudError naming the folder and the lines that take it out of the repository."""
    heroku = source / _HEROKU
    if heroku.exists() or heroku.is_symlink():
        raise ToppcloudError(
            f"The project has a folder {_HEROKU}/.",
            "It is where Heroku puts its own Python. One that was pushed along is never used, and hides what is.",
            f"Type: git rm -r --cached {_HEROKU} && echo {_HEROKU}/ >> .gitignore && git add .gitignore\n"
            "Or, if bin/pre_compile or another buildpack makes it: let that use another folder.",
            reason="committed .heroku/python",
        )
    found = find_committed_virtualenvs(source)
    if found:
        folders, verb = " ".join(found), "is a virtualenv" if len(found) == 1 else "are virtualenvs"
        raise ToppcloudError(
            f"{' and '.join(f'{name}/' for name in found)} {verb} in the repository.",
            "What is in it was made for one machine and does not run on another. The node makes its own.",
            f"Type: git rm -r --cached {folders}"
            + "".join(f" && echo {name}/ >> .gitignore" for name in found)
            + " && git add .gitignore\nThen commit, push again.",
            reason="committed virtualenv",
        )


def _has_packages(path: Path) -> bool:
    return any(path.glob("lib/python3*/site-packages"))
