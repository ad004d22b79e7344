"""What a person may have meant when nothing in the project says how to build it: one line each, the likeliest first."""

from __future__ import annotations

import difflib
import fnmatch
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from buildpacks.package_json import read_package_json
from buildpacks.pyproject_toml import parse_pyproject
from buildpacks.source_text import read_source_text
from toppcloud.errors import ToppcloudError

WANTED = ("requirements.txt", "Pipfile.lock", "poetry.lock", "uv.lock", "package.json", "Gemfile", "Procfile")
MISSPELT = frozenset(
    {"requirements", "requirements.text", "requirements.txt.txt", "requirements.txt", "reqs.txt"}
    | {"requirement.txt", "requirments.txt", "requeriments.txt"}
)
"""What requirements.txt is called by mistake, in lower case."""
_NEAR = {
    "pdm.lock": "pdm.lock is there. Type: pdm export --prod -o requirements.txt && git add requirements.txt",
    "setup.py": "setup.py is there. Type: echo '--editable .' > requirements.txt && git add requirements.txt",
    "setup.cfg": "setup.cfg is there. A project of setuptools: echo '--editable .' > requirements.txt",
    "environment.yml": "environment.yml is there: conda is not used here. Type: pip freeze > requirements.txt",
    "requirements.in": "requirements.in is there. Type: uv pip compile requirements.in -o requirements.txt",
    "manage.py": "manage.py is there: a Django project. Type: pip freeze > requirements.txt",
    "index.html": 'index.html is there. A site of files alone says so in toppcloud.toml: [web] static = "."',
}
_LOCKS = {"package-lock.json": "package.json", "Gemfile.lock": "Gemfile"}
_NODE_MAINS = ("index.js", "app.js", "main.js")
_SITES = ("dist", "public", "build", "_site", "site", "out", "www", "htdocs", "docs")
"""Folders that hold a site when they have an index.html, the likeliest first."""
_DEPTH = 2
_MOST = 6
_MOST_NAMES = 16
_IGNORING = (".gitignore", ".slugignore")


def find_near_misses(source: Path) -> list[str]:
    """`Requirements.txt is there: its name must be requirements.txt.`"""
    names = sorted(path.name for path in source.iterdir())
    found = [*_find_misspelt(source, names), *_find_in_pyproject(source), *_find_ignored(source, names)]
    site = next((folder for folder in _SITES if (source / folder / "index.html").is_file()), None)
    if site and "index.html" not in names:
        found.append(
            f'{site}/index.html is there. A site of files alone says so in toppcloud.toml: [web] static = "{site}"'
        )
    found += _find_startless(source, names)
    found += [
        f"{lock} is there, without its {file}. Type: git add {file}"
        for lock, file in _LOCKS.items()
        if lock in names and file not in names
    ]
    found += [line for name, line in _NEAR.items() if name in names]
    found += [
        f"{_printable(folder)}/{name} is there, in a folder."
        " Push that folder as a repository of its own, or move it to the top."
        for folder, name in _find_deeper(source)
    ]
    return found[:_MOST]


def list_top(source: Path) -> str:
    """`README.md, src/, … (31 more)`: what there is at the top of the repository."""
    paths = sorted((path for path in source.iterdir() if path.name != ".git"), key=lambda path: path.name)
    shown = ", ".join(f"{_printable(path.name)}{'/' if path.is_dir() else ''}" for path in paths[:_MOST_NAMES])
    more = f", … ({len(paths) - _MOST_NAMES} more)" if len(paths) > _MOST_NAMES else ""
    return f"{shown}{more}" if paths else "nothing"


def _find_misspelt(source: Path, names: list[str]) -> Iterator[str]:
    for name in names:
        if name in WANTED or name in _NEAR or name in _LOCKS or not (source / name).is_file():
            continue
        near = [wanted for wanted in WANTED if wanted.lower() == name.lower()]
        near += ["requirements.txt"] if name.lower() in MISSPELT else []
        near += difflib.get_close_matches(name, WANTED, n=1, cutoff=0.9)
        if near:
            quoted = shlex.quote(_printable(name))
            yield f"{_printable(name)} is there: its name must be {near[0]}. Type: git mv {quoted} {near[0]}"


def _find_in_pyproject(source: Path) -> Iterator[str]:
    text = read_source_text(source, "pyproject.toml")
    if text is None:
        return
    if parse_pyproject(text).uses_poetry:
        yield "pyproject.toml is Poetry's, without a lock. Type: poetry lock && git add poetry.lock"
        return
    yield (
        "pyproject.toml is there, without [project] dependencies. List them there,"
        " or type: touch requirements.txt && git add requirements.txt"
    )


def _find_startless(source: Path, names: list[str]) -> Iterator[str]:
    """A package.json that says neither what to start nor what to build, beside a file that looks like the program."""
    try:
        package = read_package_json(source)
    except ToppcloudError:
        return
    if package is None or package.scripts.get("start") or package.build_script:
        return
    main = next((name for name in (package.main, *_NODE_MAINS) if name in names), None)
    if main:
        start = shlex.quote(f"scripts.start=node {shlex.quote(_printable(main))}")
        yield f"package.json is there, without a start or build script. Type: npm pkg set {start}"


def _find_ignored(source: Path, names: list[str]) -> Iterator[str]:
    for file in _IGNORING:
        lines = [line.strip() for line in (read_source_text(source, file) or "").splitlines()]
        for wanted in WANTED:
            rule = next((line for line in lines if _ignores(line, wanted)), None)
            if rule is not None and wanted not in names:
                yield f"{file} has the line {_printable(rule)}, which leaves {wanted} out. Delete that line."


def _ignores(rule: str, name: str) -> bool:
    return bool(rule) and not rule.startswith(("#", "!")) and fnmatch.fnmatchcase(name, rule.removeprefix("/"))


def _find_deeper(source: Path) -> list[tuple[str, str]]:
    """Folders near the top that could be built, as ("backend", "requirements.txt")."""
    found: list[tuple[str, str]] = []
    for folder, folders, names in os.walk(source):
        depth = len(Path(folder).relative_to(source).parts)
        folders[:] = (
            sorted(f for f in folders if not f.startswith(".") and f != "node_modules") if depth < _DEPTH else []
        )
        if depth:
            found += [(str(Path(folder).relative_to(source)), name) for name in WANTED if name in names]
    return found[:2]


def _printable(text: str) -> str:
    return text[:80] if text.isprintable() else repr(text)[:80]
