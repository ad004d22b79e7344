"""poetry.lock: exact packages of Poetry. What `poetry sync --only main` installs of them, without Poetry.

[[package]]
name = "flask"
version = "3.1.0"
groups = ["main"]                      # since lock-version 2.1, as markers are
markers = "python_version >= \\"3.9\\""
files = [{file = "flask-3.1.0-py3-none-any.whl", hash = "sha256:d667…"}]
[metadata]
lock-version = "2.1"
python-versions = "^3.9"
content-hash = "f0f2…"
Source: https://python-poetry.org/docs/basic-usage/#committing-your-poetrylock-file-to-version-control
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from buildpacks.locked import (
    LockedPackage,
    choose_index,
    refuse_entry,
    render_address,
    render_git,
    render_local,
    render_pinned,
)
from buildpacks.poetry_constraint import parse_constraint
from buildpacks.poetry_graph import choose_main
from buildpacks.pyproject_toml import parse_toml
from buildpacks.requirements_txt import LocalRequirement, keep_inside
from toppcloud.errors import ToppcloudError

FILE = "poetry.lock"
_FIRST_WITH_GROUPS = (2, 1)
_FIRST_UNKNOWN = (3,)
_PROJECT_KEYS = ("requires-python", "dependencies", "optional-dependencies")
_OLD_KEYS = ("dependencies", "source", "extras", "dev-dependencies")
_HASHES_GROUPS_SINCE = (2, 3)
_WRONG = (KeyError, AttributeError, TypeError, ValueError, RecursionError)
_MADE_BY = re.compile(r"#.*\bPoetry (\d+)\.(\d+)")


@dataclass(frozen=True)
class PoetryLock:
    """What of it counts here."""

    value: Mapping[str, Any]
    pyproject: Mapping[str, Any]
    requires_python: str | None
    content_hash: str | None

    def choose_packages(self, python: str) -> tuple[LockedPackage, ...]:
        """Those of the main group, for `python` as `3.12.4`. Raises ToppcloudError."""
        metadata, entries = self.value["metadata"], self.value.get("package", [])
        try:
            if _parse_version(metadata) >= _FIRST_WITH_GROUPS:
                chosen = [(entry, _choose_marker(entry)) for entry in entries if "main" in entry["groups"]]
            else:
                chosen = [(entry, "") for entry in choose_main(entries, self.pyproject, python)]
            return tuple(_parse_package(entry, marker, metadata) for entry, marker in chosen)
        except _WRONG as error:
            raise _refuse_wrong(error) from error


def parse_poetry_lock(text: str, pyproject_text: str) -> PoetryLock:
    """Raises ToppcloudError when it is not a lock of Poetry's, or of one that is not known yet."""
    value, pyproject = parse_toml(text, FILE), parse_toml(pyproject_text, "pyproject.toml")
    try:
        metadata = value["metadata"]
        is_known = _parse_version(metadata) < _FIRST_UNKNOWN
        requires_python = _parse_requires_python(metadata.get("python-versions", "*"))
        content_hash = metadata.get("content-hash")
    except _WRONG as error:
        raise _refuse_wrong(error) from error
    if not is_known:
        raise _refusal(f"Its format is {metadata['lock-version']}; known here: 1 and 2.")
    return PoetryLock(value, pyproject, requires_python, content_hash if isinstance(content_hash, str) else None)


def _parse_version(metadata: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(metadata.get("lock-version", "1.0")).split("."))


def _refuse_wrong(error: Exception) -> ToppcloudError:
    return _refusal(str(error) if isinstance(error, ValueError) else "It is not what Poetry writes.")


def _refusal(why: str) -> ToppcloudError:
    return ToppcloudError(f"{FILE} cannot be read.", why, "Make it again: poetry lock", reason=f"invalid {FILE}")


def _choose_marker(entry: Mapping[str, Any]) -> str:
    """A package that several groups ask for can have a marker for each."""
    marker = entry.get("markers", "")
    return str(marker.get("main", "") if isinstance(marker, dict) else marker)


def _parse_requires_python(text: str) -> str | None:
    """The newest of the alternatives: `~2.7 || ^3.6` -> `>=3.6,<4`."""
    return parse_constraint(text)[-1] or None


def _parse_package(entry: Mapping[str, Any], marker: str, metadata: Mapping[str, Any]) -> LockedPackage:
    name, version, source = str(entry["name"]), str(entry["version"]), entry.get("source", {})
    hashes = _list_hashes(entry, metadata)
    kind, url = source.get("type", "legacy"), str(source.get("url", ""))
    if kind == "git":
        commit, subdirectory = str(source.get("resolved_reference") or ""), str(source.get("subdirectory") or "")
        return LockedPackage(render_git(name, url, commit, subdirectory, marker, FILE))
    if kind == "url":
        return LockedPackage(render_address(name, url, marker, hashes, FILE))
    if kind in ("directory", "file"):
        path = keep_inside(PurePosixPath("."), url, f"{FILE}, '{name}',")
        local = LocalRequirement(path, kind == "directory" and bool(entry.get("develop")))
        return LockedPackage(render_local(local, marker, hashes if kind == "file" else (), FILE), local=local)
    if kind not in ("legacy", "pypi"):
        raise refuse_entry(FILE, name, f"it comes from a '{kind}', which uv does not read")
    index = choose_index(str(source.get("reference") or "source"), url) if url else None
    return LockedPackage(render_pinned(name, version, marker, hashes, FILE), index)


def _list_hashes(entry: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[str]:
    """They stand beside the package since Poetry 1.3, in [metadata.files] before, in [metadata.hashes] before 1.0."""
    if "files" in entry:
        return [str(file["hash"]) for file in entry["files"]]
    if "files" in metadata:
        return [str(file["hash"]) for file in metadata["files"].get(entry["name"], [])]
    return [f"sha256:{value}" for value in metadata.get("hashes", {}).get(entry["name"], [])]


def hash_pyproject(text: str, lock_text: str) -> str:
    """What a lock that was made from this pyproject.toml says, by the Poetry that made `lock_text`."""
    pyproject = parse_toml(text, "pyproject.toml")
    made_by = _MADE_BY.match(lock_text)
    is_older = made_by is not None and (int(made_by[1]), int(made_by[2])) < _HASHES_GROUPS_SINCE
    groups = {} if is_older else pyproject.get("dependency-groups", {})
    project = {key: pyproject["project"][key] for key in _PROJECT_KEYS if key in pyproject.get("project", {})}
    tool = pyproject.get("tool", {}).get("poetry", {})
    old = () if project or groups else _OLD_KEYS
    poetry = {key: tool.get(key) for key in (*_OLD_KEYS, "group") if key in old or key in tool}
    content: dict[str, Any] = poetry
    if project or groups:
        content = {"project": project} if project else {}
        content |= {"dependency-groups": groups} if groups else {}
        content["tool"] = {"poetry": poetry}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
