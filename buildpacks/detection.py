"""Which buildpack a project is for, and why. The refusal lists what was looked for, and what is near."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from buildpacks.pyproject_toml import parse_pyproject
from toppcloud.errors import ToppcloudError

_LOOKED_FOR = "requirements.txt, uv.lock, or a pyproject.toml with dependencies"
_NEAR = {
    "Pipfile.lock": "Pipfile.lock is there. Type: pipenv requirements > requirements.txt",
    "Pipfile": "Pipfile is there, without a lock. Type: pipenv lock && pipenv requirements > requirements.txt",
    "poetry.lock": "poetry.lock is there. Type: poetry export -o requirements.txt",
    "setup.py": "setup.py is there. Type: echo . > requirements.txt",
    "environment.yml": "environment.yml is there: conda is not used here. Type: pip freeze > requirements.txt",
    "requirements.in": "requirements.in is there. Type: uv pip compile requirements.in -o requirements.txt",
    "manage.py": "manage.py is there: a Django project. Type: pip freeze > requirements.txt",
    "package.json": "package.json is there: Node.js needs a Procfile, and npm does not run here. Add: web: node app.js",
    "Gemfile": "Gemfile is there: Ruby needs a Procfile here, and Bundler does not run. Add: web: ruby server.rb",
    "index.html": 'index.html is there. A site of files alone says so in toppcloud.toml: [web] static = "dist"',
}
_SITES = ("dist", "public", "build", "_site", "site", "out", "www", "htdocs", "docs")
"""Folders that hold a site when they have an index.html, the likeliest first."""
_DEPTH = 2


@dataclass(frozen=True)
class Detected:
    """How the dependencies are managed: `pip`, `uv` or `pyproject`, and the file that says so."""

    manager: str
    file: str


def detect(source: Path) -> Detected:
    """Raises ToppcloudError when nothing here can be built, or when two files say how."""
    has_requirements, has_lock = (source / "requirements.txt").is_file(), (source / "uv.lock").is_file()
    if has_requirements and has_lock:
        raise ToppcloudError(
            "requirements.txt and uv.lock are both there.",
            "They may ask for different packages, and only one can be right.",
            "Delete one: git rm requirements.txt   or: git rm uv.lock",
            reason="two lists of dependencies",
        )
    if has_requirements:
        return Detected("pip", "requirements.txt")
    pyproject = source / "pyproject.toml"
    if has_lock:
        if not pyproject.is_file():
            raise ToppcloudError(
                "uv.lock has no pyproject.toml beside it.",
                "uv reads both.",
                "Add it: git add pyproject.toml",
                reason="missing pyproject.toml",
            )
        return Detected("uv", "uv.lock")
    if pyproject.is_file() and parse_pyproject(pyproject.read_text(errors="replace")).has_dependencies:
        return Detected("pyproject", "pyproject.toml")
    raise _refusal(source)


def has_dependencies(source: Path) -> bool:
    """Whether any file says what to install, be it rightly or wrongly."""
    pyproject = source / "pyproject.toml"
    return any((source / name).is_file() for name in ("requirements.txt", "uv.lock")) or (
        pyproject.is_file() and parse_pyproject(pyproject.read_text(errors="replace")).has_dependencies
    )


def list_others(source: Path) -> list[str]:
    """What is there of projects that are more than files: `package.json`, `manage.py`."""
    return [name for name in (*_NEAR, "pyproject.toml") if name != "index.html" and (source / name).exists()]


def _refusal(source: Path) -> ToppcloudError:
    near = [*_find_near_misses(source)]
    add = "Add requirements.txt (an empty one when it needs no package), commit, push again."
    return ToppcloudError(
        "This is not a project that can be built here.",
        "\n".join([f"Looked at the top of the repository for {_LOOKED_FOR}: none is there.", *near]),
        "Then commit, push again." if near else add,
        reason="no dependencies found",
    )


def _find_near_misses(source: Path) -> list[str]:
    """One line for each thing that the person may have meant, the likeliest first."""
    names = sorted(path.name for path in source.iterdir())
    found = [
        f"{name} is there: its name must be requirements.txt, in small letters."
        for name in names
        if name != "requirements.txt"
        and name.lower() in ("requirements.txt", "requirement.txt", "requirements")
        and (source / name).is_file()
    ]
    if (source / "pyproject.toml").is_file():
        poetry = parse_pyproject((source / "pyproject.toml").read_text(errors="replace")).uses_poetry
        cure = "poetry export -o requirements.txt" if poetry else "pip freeze > requirements.txt"
        found.append(f"pyproject.toml is there, without [project] dependencies. Type: {cure}")
    site = next((folder for folder in _SITES if (source / folder / "index.html").is_file()), None)
    if site and "index.html" not in names:
        found.append(
            f'{site}/index.html is there. A site of files alone says so in toppcloud.toml: [web] static = "{site}"'
        )
    found += [line for name, line in _NEAR.items() if name in names]
    found += [
        f"{folder}/{name} is there, in a folder. Push that folder as a repository of its own, or move it to the top."
        for folder, name in _find_deeper(source)
    ]
    found += [
        f"{name}/ is a virtualenv. Type: git rm -r --cached {name}"
        for name in names
        if (source / name / "pyvenv.cfg").is_file()
    ]
    return found[:6]


def _find_deeper(source: Path) -> list[tuple[str, str]]:
    """Folders near the top that could be built, as ("backend", "requirements.txt")."""
    found: list[tuple[str, str]] = []
    for folder, folders, names in os.walk(source):
        depth = len(Path(folder).relative_to(source).parts)
        folders[:] = (
            sorted(f for f in folders if not f.startswith(".") and f != "node_modules") if depth < _DEPTH else []
        )
        if depth:
            found += [
                (str(Path(folder).relative_to(source)), name)
                for name in ("requirements.txt", "uv.lock")
                if name in names
            ]
    return found[:2]
