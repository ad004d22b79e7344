"""Pipfile.lock: exact packages of Pipenv, by name, in categories of which `default` is installed.

{"_meta": {"hash": {"sha256": "0ef9…"}, "requires": {"python_version": "3.12"}, "sources": […]},
 "default": {"flask": {"version": "==3.1.0", "hashes": ["sha256:…"], "markers": "python_version >= '3.9'"}}}
Source: https://pipenv.pypa.io/en/latest/pipfile.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from buildpacks.distributions import normalise
from buildpacks.locked import (
    Index,
    LockedPackage,
    choose_index,
    refuse_entry,
    render_address,
    render_git,
    render_local,
    render_pinned,
)
from buildpacks.pyproject_toml import parse_toml
from buildpacks.requirements_txt import LocalRequirement, keep_inside
from toppcloud.errors import ToppcloudError

FILE = "Pipfile.lock"
_MARKER_KEYS = (
    *("os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release"),
    *("platform_system", "platform_version", "python_version", "python_full_version", "implementation_name"),
)
_NO_CATEGORIES = frozenset({"source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv"})
_DEFAULT_SOURCE = {"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}


@dataclass(frozen=True)
class PipfileLock:
    """What of it counts here."""

    packages: tuple[LockedPackage, ...]
    python: str | None
    """As it stands there: `3.12` or `3.12.4`, or something that is no version."""
    pipfile_hash: str | None
    """Of the Pipfile that it was made from."""

    def choose_packages(self, _python: str) -> tuple[LockedPackage, ...]:
        """All of them: each has its own marker."""
        return self.packages


def parse_pipfile_lock(text: str) -> PipfileLock:
    """Raises ToppcloudError when it is not a lock of Pipenv's."""
    try:
        value = json.loads(text)
        meta = value["_meta"]
        requires = meta.get("requires") or {}
        python = requires.get("python_full_version") or requires.get("python_version")
        sources = [_parse_source(source) for source in meta.get("sources") or [_DEFAULT_SOURCE]]
        packages = tuple(_parse_package(name, entry, sources) for name, entry in value.get("default", {}).items())
        digest = meta.get("hash", {}).get("sha256")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "It is not what Pipenv writes."
        raise ToppcloudError(
            f"{FILE} cannot be read.", why, "Make it again: pipenv lock", reason=f"invalid {FILE}"
        ) from error
    return PipfileLock(
        packages, python if isinstance(python, str) else None, digest if isinstance(digest, str) else None
    )


def _parse_source(source: Mapping[str, Any]) -> tuple[str, Index | None]:
    name, url = str(source.get("name") or "source"), source["url"]
    return name, choose_index(name, url, source.get("verify_ssl", True) is not False)


def _parse_package(name: str, entry: Mapping[str, Any] | str, sources: list[tuple[str, Index | None]]) -> LockedPackage:
    if isinstance(entry, str):
        entry = {"version": entry}
    hashes = [value for value in entry.get("hashes", ()) if isinstance(value, str)]
    markers = [f"({entry['markers']})"] if entry.get("markers") else []
    markers += [f"({key} {entry[key]})" for key in _MARKER_KEYS if isinstance(entry.get(key), str)]
    marker = " and ".join(markers)
    marker = marker[1:-1] if len(markers) == 1 else marker
    if "git" in entry:
        subdirectory = str(entry.get("subdirectory") or "")
        line = render_git(name, entry["git"], str(entry.get("ref") or ""), subdirectory, marker, FILE)
        return LockedPackage(line)
    if other := next((kind for kind in ("hg", "svn", "bzr") if kind in entry), None):
        raise refuse_entry(FILE, name, f"it comes from a {other} repository, which uv does not read")
    place = str(entry.get("path") or entry.get("file") or "")
    if "://" in place and not place.startswith("file://"):
        return LockedPackage(render_address(name, place, marker, hashes, FILE))
    if place:
        path = keep_inside(PurePosixPath("."), place.removeprefix("file://"), f"{FILE}, '{name}',")
        local = LocalRequirement(path, bool(entry.get("editable")))
        return LockedPackage(render_local(local, marker, hashes, FILE), local=local)
    index = next((index for known, index in sources if known == entry.get("index")), sources[0][1] if sources else None)
    return LockedPackage(render_pinned(name, str(entry.get("version", "")), marker, hashes, FILE), index)


def hash_pipfile(text: str) -> tuple[str, ...]:
    """What a lock that was made from this Pipfile says, by today's Pipenv and by those before it."""
    pipfile = parse_toml(text, "Pipfile")
    pipfile.setdefault("source", [_DEFAULT_SOURCE])
    content: dict[str, Any] = {
        "_meta": {"sources": pipfile["source"], "requires": pipfile.get("requires", {})},
        "default": pipfile.get("packages", {}),
        "develop": pipfile.get("dev-packages", {}),
    }
    categories = {
        name: packages
        for name, packages in pipfile.items()
        if name not in _NO_CATEGORIES and name not in ("default", "develop")
    }
    normalised = {
        name: {normalise(package): wanted for package, wanted in packages.items()}
        for name, packages in {**content, **categories}.items()
        if name != "_meta" and isinstance(packages, dict)
    }
    contents = ({"_meta": content["_meta"], **normalised}, {**content, **categories}, content)
    return tuple(_hash(content) for content in contents)


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
