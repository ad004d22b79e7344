"""What lies in a slug's source, as `sha256sum -c` reads it. Bytecode, which follows from the rest, is left out.

<64 hex>  ./blog/views.py
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from toppcloud.files import write_file

_CHUNK_BYTES = 1 << 20
_FILES_IN_ONE = 1000
Blobs = Mapping[bytes, tuple[bytes, bool]]


@dataclass(frozen=True)
class Manifest:
    """Paths are bytes relative to the source: {b"blog/views.py": "ab12…"}."""

    files: dict[bytes, str]


@dataclass(frozen=True)
class KnownSource:
    """A sealed slug's source and its manifest: of a file that is the same one on the disk the digest is known."""

    path: Path
    manifest: Manifest

    @cached_property
    def top(self) -> bytes:
        return os.fsencode(self.path) + b"/"

    def find_digest(self, path: bytes, info: os.stat_result) -> str | None:
        """That of the file at `path`, when it is the file that `info` is of."""
        digest = self.manifest.files.get(path)
        if digest is None:
            return None
        try:
            then = os.lstat(self.top + path)
        except OSError:
            return None
        return digest if os.path.samestat(then, info) else None


@dataclass(frozen=True)
class ScannedSource:
    """The manifest, one hash over it that also tells modes and links, and the size of all files."""

    manifest: Manifest
    content_hash: str
    size_bytes: int
    blobs: dict[bytes, tuple[bytes, bool]]
    """Of each of the `exported` files the id of its blob, and whether it is executable."""


def scan_source(source: Path, exported: Blobs | None = None, known: KnownSource | None = None) -> ScannedSource:
    """Read every file once, but for those that are links to `known`.

    What is neither file, folder nor link (a build step's socket) is removed; what a step has closed to us is opened.
    """
    files: dict[bytes, str] = {}
    blobs: dict[bytes, tuple[bytes, bool]] = {}
    whole = hashlib.sha256()
    size_bytes = 0
    exported = exported or {}
    top = os.fsencode(source)
    for path, info in sorted(_walk(top, b"")):
        full = os.path.join(top, path)  # noqa: PTH118 - bytes: names need not be text
        if stat.S_ISREG(info.st_mode):
            blob = exported.get(path)
            digest = known.find_digest(path, info) if known and info.st_nlink > 1 else None
            blob_id = blob[0] if blob else None
            if digest is None:
                digest, blob_id = _hash_file(full, info.st_size, with_blob=blob is not None)
            is_executable = bool(info.st_mode & stat.S_IXUSR)
            if blob_id is not None:
                blobs[path] = (blob_id, is_executable)
            files[path] = digest
            size_bytes += info.st_size
            kind = "x" if is_executable else "f"
        elif stat.S_ISLNK(info.st_mode):
            digest, kind = os.fsencode(os.readlink(full)).hex(), "l"  # noqa: PTH115 - bytes
        else:
            os.unlink(full)  # noqa: PTH108 - bytes
            continue
        whole.update(f"{kind} {digest} {len(path)} ".encode() + path + b"\n")
    return ScannedSource(Manifest(files), f"sha256:{whole.hexdigest()}", size_bytes, blobs)


def write_manifest(path: Path, manifest: Manifest, older: Path | None = None) -> None:
    """Put it at `path`; names with a newline or a backslash are escaped as sha256sum does.

    The lines of many files are in several, in a folder: those that are as in the manifest `older` are links to it.
    """
    lines: list[list[bytes]] = [[] for _ in range(_count_parts(len(manifest.files)))]
    for name, digest in manifest.files.items():
        escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        line = (b"\\" if escaped != name else b"") + digest.encode() + b"  ./" + escaped + b"\n"
        lines[zlib.crc32(name) % len(lines)].append(line)
    if len(lines) == 1:
        _write_part(path, b"".join(lines[0]), older)
        return
    path.mkdir()
    for number, part in enumerate(lines):
        name_of_part = f"{number:02x}"
        _write_part(path / name_of_part, b"".join(part), older / name_of_part if older else None)


def read_manifest(path: Path) -> Manifest:
    """What `write_manifest` wrote; empty when there is none."""
    try:
        parts = sorted(path.iterdir()) if path.is_dir() else [path]
        lines = [line for part in parts for line in part.read_bytes().split(b"\n") if line]
    except FileNotFoundError:
        return Manifest({})
    files = {}
    for line in lines:
        digest, _, name = line.removeprefix(b"\\").partition(b"  ./")
        if line.startswith(b"\\"):
            name = name.replace(b"\\\\", b"\0").replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\0", b"\\")
        files[name] = digest.decode()
    return Manifest(files)


def _count_parts(files: int) -> int:
    """So many that one of them is about as large as a block of the disk, or as 400 lines."""
    return 1 if files <= _FILES_IN_ONE else 64


def _write_part(path: Path, content: bytes, older: Path | None) -> None:
    try:
        if older and older.read_bytes() == content:
            os.link(older, path)
            return
    except OSError:
        pass  # another kind of manifest, or too many links to it
    write_file(path, content, is_durable=False)


def _walk(top: bytes, prefix: bytes) -> list[tuple[bytes, os.stat_result]]:
    found: list[tuple[bytes, os.stat_result]] = []
    pending = [(top, prefix)]
    while pending:
        folder, prefix = pending.pop()
        if not os.access(folder, os.R_OK | os.X_OK):
            os.chmod(folder, 0o700)  # noqa: PTH101 - bytes
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    found.append((path, entry.stat(follow_symlinks=False)))
                elif entry.name != b"__pycache__":
                    pending.append((entry.path, path + b"/"))
    return found


def _hash_file(path: bytes, size_bytes: int, *, with_blob: bool) -> tuple[str, bytes | None]:
    """SHA-256 of the content; and the id of git's blob of it, if that is wanted."""
    digest = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False) if with_blob else None
    if not os.access(path, os.R_OK):
        os.chmod(path, 0o644)  # noqa: PTH101 - bytes
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            if blob:
                blob.update(chunk)
    return digest.hexdigest(), blob.hexdigest().encode() if blob else None
