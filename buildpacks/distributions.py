"""What is installed in a virtualenv, read from its .dist-info folders: no program is run.

flask-3.1.0.dist-info/RECORD: `flask/app.py,sha256=kkpb…,59234`, a line for each file, the path as seen from its folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from toppcloud.files import read_plain_file

_SEPARATORS = re.compile(r"[-_.]+")
_SCRIPTS = b"../../../bin"
_LARGEST_RECORD_BYTES = 50_000_000
_OF_THIS_PLACE = frozenset(
    {
        "INSTALLER",
        "REQUESTED",
        "RECORD",
        "RECORD.jws",
        "RECORD.p7s",
        "direct_url.json",
        "uv_build.json",
        "uv_cache.json",
    }
)


def read_distributions(venv: Path) -> dict[str, str]:
    """{"flask": "3.1.0"}, by normalised name. Source: https://packaging.python.org/specifications/recording-installed-packages/"""
    return {name: version for name, version, _ in sorted(_find(venv))}


def hash_distributions(venv: Path) -> dict[str, str]:
    """{"flask": "sha256:…"}: one over the list of files that each brought. The same wheel has the same in every place.

    Left out is what installers write for the place: scripts, links to the source. One that names no files has no hash.
    """
    hashes = {}
    for name, _, folder in sorted(_find(venv)):
        lines = sorted(_choose_lines(_read_record(folder), folder.parent))
        if lines:
            hashes[name] = f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"
    return hashes


def _find(venv: Path) -> Iterator[tuple[str, str, Path]]:
    for folder in venv.glob("lib/python3*/site-packages/*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        yield normalise(name), version, folder


def _read_record(folder: Path) -> list[bytes]:
    content = read_plain_file(folder / "RECORD", _LARGEST_RECORD_BYTES + 1) or b""
    return content.splitlines() if len(content) <= _LARGEST_RECORD_BYTES else []


def _choose_lines(record: list[bytes], packages: Path) -> Iterator[bytes]:
    is_linked = any(b".dist-info/direct_url.json," in line for line in record)
    for line in record:
        path = line.rsplit(b",", 2)[0]
        folder, _, name = path.rpartition(b"/")
        if name.endswith(b".pyc"):
            continue
        if folder.endswith(b".dist-info") and os.fsdecode(name) in _OF_THIS_PLACE:
            continue
        if is_linked and (name.startswith(b"__editable__") or (not folder and name.endswith(b".pth"))):
            continue
        if folder == _SCRIPTS and _is_script(packages / os.fsdecode(path)):
            continue
        yield line + b"\n"


def _is_script(path: Path) -> bool:
    """Whether its first line names an interpreter, and so the virtualenv that it lies in."""
    return read_plain_file(path, 2) in (None, b"#!")


def normalise(name: str) -> str:
    """`Flask_SQLAlchemy` -> `flask-sqlalchemy`."""
    return _SEPARATORS.sub("-", name).lower()


def describe_changes(old: Mapping[str, str], new: Mapping[str, str], most: int = 5) -> str:
    """`+httpx 0.28.1, django 5.2.8 -> 5.2.9, -six`; empty when nothing changed."""
    parts = [f"+{name} {version}" for name, version in new.items() if name not in old]
    parts += [f"{name} {old[name]} -> {new[name]}" for name in new if name in old and old[name] != new[name]]
    parts += [f"-{name}" for name in old if name not in new]
    rest = f", {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + rest
