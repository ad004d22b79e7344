"""What a project depends on, read once: the text that decides whether a virtualenv can be reused, and what it needs."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildpacks.detection import Detected
from buildpacks.locked import LockedBatch, LockedPackage, batch
from buildpacks.pipfile_lock import PipfileLock, parse_pipfile_lock
from buildpacks.poetry_lock import PoetryLock, parse_poetry_lock
from buildpacks.pyproject_toml import parse_pyproject
from buildpacks.requirements_txt import LocalRequirement, Requirements, find_variables, read_requirements
from buildpacks.source_text import read_source_text
from buildpacks.uv_lock import parse_uv_lock
from toppcloud.errors import ToppcloudError

_SOME_PYTHON = "3.12.0"
_ITSELF = LocalRequirement(PurePosixPath("."), True)


@dataclass(frozen=True)
class Dependencies:
    """`manager` and `file` as detected. Paths are relative to the project's top."""

    manager: str
    file: str
    lock_text: str
    local: tuple[LocalRequirement, ...]
    variables: frozenset[str]
    """Config vars that the requirements name."""
    requires_python: str | None
    names: frozenset[str] | None
    """What is asked for by name; None when nothing can be put beside it in one installation (a lock, hashes)."""
    locked_python: str | None = None
    """The version that the lock names, as `3.12` or `3.12.4`; `requires_python` is a range."""
    locked_python_origin: str | None = None
    """The file that says `locked_python`, else `requires_python`: `Pipfile.lock`, `pyproject.toml`."""

    requirements: Requirements | None = None
    """Of requirements.txt: every file, to be quoted when one of its lines is refused."""
    lock: PipfileLock | PoetryLock | None = None
    """Says all packages exactly: they are installed without a look at what they need."""

    @property
    def lock_hash(self) -> str:
        return f"sha256:{hashlib.sha256(self.lock_text.encode()).hexdigest()}"

    @property
    def installs_itself(self) -> bool:
        """Whether parts of this very source end up in the virtualenv by reference: then it cannot be shared."""
        return any(requirement.is_editable or requirement.is_project for requirement in self.local)

    def list_batches(self, python: str) -> tuple[LockedBatch, ...]:
        """The lock's packages for `python`, as `3.12.4`, by the index that they come from."""
        return batch(self.lock.choose_packages(python)) if self.lock else ()


def read_dependencies(source: Path, detected: Detected) -> Dependencies:
    """What the project in `source` needs. Raises ToppcloudError quoting file and line."""
    pyproject = read_source_text(source, "pyproject.toml")
    requires_python = None if pyproject is None else parse_pyproject(pyproject).requires_python
    if detected.manager == "pip":
        found = _read_pip(source, requires_python)
    elif detected.manager == "pipenv":
        found = _read_pipenv(source, requires_python)
    elif detected.manager == "poetry":
        found = _read_poetry(source, pyproject or "")
    elif detected.manager == "uv":
        found = _read_uv(source, pyproject or "")
    else:
        found = _read_pyproject(pyproject or "")
    _check_local(source, found)
    return found


def _read_pip(source: Path, requires_python: str | None) -> Dependencies:
    requirements = read_requirements(source)
    return Dependencies(
        "pip",
        "requirements.txt",
        requirements.text + _read_uv_settings(source),
        requirements.local,
        requirements.variables,
        requires_python,
        None if requirements.has_hashes else requirements.names,
        requirements=requirements,
    )


def _read_pipenv(source: Path, requires_python: str | None) -> Dependencies:
    text = read_source_text(source, "Pipfile.lock") or ""
    lock = parse_pipfile_lock(text)
    local = _list_local(lock.packages)
    origin = "Pipfile.lock" if lock.python else None
    variables = find_variables(text)
    return Dependencies(
        "pipenv", "Pipfile.lock", text, local, variables, requires_python, None, lock.python, origin, lock=lock
    )


def _read_poetry(source: Path, pyproject: str) -> Dependencies:
    text = read_source_text(source, "poetry.lock") or ""
    lock = parse_poetry_lock(text, pyproject)
    local = _list_local(lock.choose_packages(_SOME_PYTHON))
    local += (_ITSELF,) if parse_pyproject(pyproject).is_poetry_package and _ITSELF not in local else ()
    return Dependencies(
        "poetry",
        "poetry.lock",
        text,
        local,
        find_variables(text),
        lock.requires_python,
        None,
        locked_python_origin="poetry.lock",
        lock=lock,
    )


def _list_local(packages: tuple[LockedPackage, ...]) -> tuple[LocalRequirement, ...]:
    return tuple(dict.fromkeys(package.local for package in packages if package.local))


def _read_uv(source: Path, pyproject: str) -> Dependencies:
    lock_text = read_source_text(source, "uv.lock") or ""
    lock = parse_uv_lock(lock_text)
    text = f"{lock_text}\n{pyproject}"  # [tool.uv] says how: indexes, groups, build settings
    needs, origin = lock.requires_python, "uv.lock"
    if needs is None:
        needs, origin = parse_pyproject(pyproject).requires_python, "pyproject.toml"
    return Dependencies("uv", "uv.lock", text, lock.local, frozenset(), needs, None, locked_python_origin=origin)


def _read_pyproject(pyproject: str) -> Dependencies:
    parsed = parse_pyproject(pyproject)
    local = (_ITSELF,) if parsed.is_package else ()
    return Dependencies(
        "pyproject", "pyproject.toml", pyproject, local, frozenset(), parsed.requires_python, parsed.names
    )


def hash_local(source: Path, local: tuple[LocalRequirement, ...]) -> str:
    """One hash over the content of the folders and files that are installed from the project."""
    digest = hashlib.sha256()
    for requirement in local:
        top = source / requirement.path
        files = [top] if top.is_file() else sorted(Path(f, n) for f, _, names in os.walk(top) for n in names)
        for file in files:
            content = bytes(file.readlink()) if file.is_symlink() else file.read_bytes()
            digest.update(f"{file.relative_to(source)}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return digest.hexdigest()


def _check_local(source: Path, dependencies: Dependencies) -> None:
    for requirement in dependencies.local:
        if not (source / requirement.path).exists():
            raise ToppcloudError(
                f"{dependencies.file} names {requirement.path}, which is not in the commit.",
                "There is no such file or folder.",
                f"Add it: git add {requirement.path}",
                reason="missing local requirement",
            )


def _read_uv_settings(source: Path) -> str:
    """What uv reads beside requirements.txt, as text that is part of the lock: uv.toml and [tool.uv]."""
    pyproject = read_source_text(source, "pyproject.toml") or ""
    return (read_source_text(source, "uv.toml") or "") + (pyproject if "[tool.uv" in pyproject else "")
