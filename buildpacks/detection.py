"""How a Python project says what to install, and why a project is Python's at all. A refusal says what was looked for.

requirements.txt | Pipfile.lock | poetry.lock | uv.lock     exactly one of them
pyproject.toml                                              with [project] dependencies, without any of those
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from buildpacks.committed_python import find_committed_virtualenvs
from buildpacks.near_misses import MISSPELT, find_near_misses, list_top
from buildpacks.pyproject_toml import parse_pyproject
from buildpacks.source_text import read_source_text
from toppcloud.errors import ToppcloudError

MANAGERS = {"requirements.txt": "pip", "Pipfile.lock": "pipenv", "poetry.lock": "poetry", "uv.lock": "uv"}
"""Who reads each file."""
_BESIDE = {"Pipfile.lock": "Pipfile", "poetry.lock": "pyproject.toml", "uv.lock": "pyproject.toml"}
_SIGNS = (
    *("requirements.txt", "Pipfile.lock", "poetry.lock", "uv.lock", "pyproject.toml", "Pipfile", "pdm.lock"),
    *("setup.py", "setup.cfg", "requirements.in", "environment.yml", "manage.py", ".python-version", "runtime.txt"),
    *("app.py", "main.py", "server.py", "wsgi.py", "asgi.py", "__init__.py"),
)
_OTHERS = ("Pipfile", "setup.py", "environment.yml", "requirements.in", "manage.py", "package.json", "Gemfile")
LOOKED_FOR = (
    "Python: requirements.txt, Pipfile.lock, poetry.lock, uv.lock, or a pyproject.toml with dependencies",
    "Node.js: package.json with a start or build script, or with server.js",
    "Ruby: Gemfile",
    "static site: index.html, or [web] static in toppcloud.toml",
    "other programs: Procfile, or [web] command in toppcloud.toml",
)


@dataclass(frozen=True)
class Detected:
    """How the dependencies are managed: `pip`, `pipenv`, `poetry`, `uv` or `pyproject`, and the file that says so."""

    manager: str
    file: str


def find_python(source: Path) -> str | None:
    """Why the project is Python's, as `requirements.txt`, be it ready to build or not; None when nothing says so."""
    sign = next((name for name in _SIGNS if (source / name).is_file()), None)
    if sign is None:
        names = sorted(path.name for path in source.iterdir() if path.is_file())
        sign = next((name for name in names if name.lower() in MISSPELT), None)
    if sign is None:
        sign = next(iter(find_committed_virtualenvs(source)), None)
    return sign


def detect(source: Path) -> Detected:
    """Raises ToppcloudError when nothing here can be built, or when two files say how."""
    found = [name for name in MANAGERS if (source / name).is_file()]
    if len(found) > 1:
        raise _refuse_several(found)
    if (source / "Pipfile").is_file() and "Pipfile.lock" not in found:
        raise _refuse_unlocked_pipfile(found)
    if found:
        return _check_manifest(source, found[0])
    if _has_project_dependencies(source):
        return Detected("pyproject", "pyproject.toml")
    raise refuse_unknown(source)


def has_dependencies(source: Path) -> bool:
    """Whether any file says what to install, be it rightly or wrongly."""
    return any((source / name).is_file() for name in MANAGERS) or _has_project_dependencies(source)


def list_others(source: Path) -> list[str]:
    """What is there of projects that are more than files: `package.json`, `manage.py`."""
    return [name for name in (*_OTHERS, "pyproject.toml") if (source / name).exists()]


def refuse_unknown(source: Path) -> ToppcloudError:
    """What was looked for, what is near it, and what is there."""
    near = find_near_misses(source)
    python = find_python(source)
    if python:
        what = "The project says not which Python packages to install."
        looked = [f"{python} is Python's. Looked at the top of the repository for {LOOKED_FOR[0][8:]}: none is there."]
    else:
        what = "This is not a project that can be built here."
        looked = ["Looked at the top of the repository for:", *(f"  {line}" for line in LOOKED_FOR), "None is there."]
    add = "Add requirements.txt (an empty one when it needs no package), commit, push again."
    return ToppcloudError(
        what,
        "\n".join([*looked, *near, f"There is: {list_top(source)}"]),
        "Then commit, push again." if near else add,
        reason="no dependencies found" if python else "nothing to build found",
    )


def _refuse_several(found: list[str]) -> ToppcloudError:
    names = f"{', '.join(found[:-1])} and {found[-1]}"
    lines = [f"To keep {kept}: git rm {' '.join(name for name in found if name != kept)}" for kept in found]
    return ToppcloudError(
        f"{names} are {'both' if len(found) == 2 else 'all'} there.",
        "They may ask for different packages, and only one can be right.",
        "\n".join([*lines, "Then commit, push again."]),
        reason="several lists of dependencies",
    )


def _refuse_unlocked_pipfile(found: list[str]) -> ToppcloudError:
    also = f"; {found[0]} is there as well" if found else ""
    other = found[0] if found else "requirements.txt"
    return ToppcloudError(
        "Pipfile has no Pipfile.lock beside it.",
        f"A Pipfile alone does not say which versions to install{also}.",
        f"Type: pipenv lock && git add Pipfile.lock{f' && git rm {found[0]}' if found else ''}\n"
        f"Or, to use {other} alone: git rm Pipfile\nThen commit, push again.",
        reason="missing Pipfile.lock",
    )


def _check_manifest(source: Path, file: str) -> Detected:
    """A lock is read together with what it was made from."""
    manifest = _BESIDE.get(file)
    if manifest and not (source / manifest).is_file():
        raise ToppcloudError(
            f"{file} has no {manifest} beside it.",
            f"{'uv' if file == 'uv.lock' else MANAGERS[file].capitalize()} reads both.",
            f"Add it: git add {manifest}",
            reason=f"missing {manifest}",
        )
    return Detected(MANAGERS[file], file)


def _has_project_dependencies(source: Path) -> bool:
    text = read_source_text(source, "pyproject.toml")
    return text is not None and parse_pyproject(text).has_dependencies
