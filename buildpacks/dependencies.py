"""What a project depends on, read once: the text that decides whether a virtualenv can be reused, and what it needs."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildpacks.detection import Detected
from buildpacks.pyproject_toml import parse_pyproject
from buildpacks.requirements_txt import LocalRequirement, read_requirements
from buildpacks.uv_lock import parse_uv_lock
from toppcloud.errors import ToppcloudError


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

    @property
    def lock_hash(self) -> str:
        return f"sha256:{hashlib.sha256(self.lock_text.encode()).hexdigest()}"

    @property
    def installs_itself(self) -> bool:
        """Whether parts of this very source end up in the virtualenv by reference: then it cannot be shared."""
        return any(requirement.is_editable or requirement.is_project for requirement in self.local)


def read_dependencies(source: Path, detected: Detected) -> Dependencies:
    """What the project in `source` needs. Raises ToppcloudError quoting file and line."""
    pyproject = _read_optional(source / "pyproject.toml")
    parsed = None if pyproject is None else parse_pyproject(pyproject)
    requires_python = parsed.requires_python if parsed else None
    if detected.manager == "pip":
        requirements = read_requirements(source)
        _check_local(source, requirements.local)
        return Dependencies(
            "pip",
            detected.file,
            requirements.text + _read_uv_settings(source),
            requirements.local,
            requirements.variables,
            requires_python,
            None if requirements.has_hashes else requirements.names,
        )
    assert pyproject is not None
    assert parsed is not None
    if detected.manager == "uv":
        lock_text = (source / "uv.lock").read_text(errors="replace")
        lock = parse_uv_lock(lock_text)
        text = f"{lock_text}\n{pyproject}"  # [tool.uv] says how: indexes, groups, build settings
        needs = lock.requires_python or requires_python
        return Dependencies("uv", detected.file, text, lock.local, frozenset(), needs, None)
    local = (LocalRequirement(PurePosixPath("."), True),) if parsed.is_package else ()
    return Dependencies("pyproject", detected.file, pyproject, local, frozenset(), requires_python, parsed.names)


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


def _check_local(source: Path, local: tuple[LocalRequirement, ...]) -> None:
    for requirement in local:
        if not (source / requirement.path).exists():
            raise ToppcloudError(
                f"requirements.txt names {requirement.path}, which is not in the commit.",
                "There is no such file or folder.",
                f"Add it: git add {requirement.path}",
                reason="missing local requirement",
            )


def _read_uv_settings(source: Path) -> str:
    """What uv reads beside requirements.txt, as text that is part of the lock: uv.toml and [tool.uv]."""
    pyproject = _read_optional(source / "pyproject.toml") or ""
    return (_read_optional(source / "uv.toml") or "") + (pyproject if "[tool.uv" in pyproject else "")


def _read_optional(path: Path) -> str | None:
    return path.read_text(errors="replace") if path.is_file() else None
