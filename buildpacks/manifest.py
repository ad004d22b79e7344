"""What lies in a slug's source, as `sha256sum -c` reads it. Bytecode, which follows from the rest, is left out.

<64 hex>  ./blog/views.py
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from toppcloud.files import write_file


@dataclass(frozen=True)
class Manifest:
    """Paths are bytes relative to the source: {b"blog/views.py": "ab12…"}."""

    files: dict[bytes, str]


@dataclass(frozen=True)
class ScannedSource:
    """The manifest, one hash over it that also tells modes and links, and the size of all files."""

    manifest: Manifest
    content_hash: str
    size_bytes: int


def scan_source(source: Path) -> ScannedSource:
    """Read every file once. What is neither file, folder nor link (a build step's socket) is removed."""
    files: dict[bytes, str] = {}
    whole = hashlib.sha256()
    size_bytes = 0
    for path, info in sorted(_walk(os.fsencode(source), b"")):
        full = os.path.join(os.fsencode(source), path)  # noqa: PTH118 - bytes: names need not be text
        if stat.S_ISREG(info.st_mode):
            files[path] = digest = _hash_file(full)
            size_bytes += info.st_size
            kind = "x" if info.st_mode & stat.S_IXUSR else "f"
        elif stat.S_ISLNK(info.st_mode):
            digest, kind = os.fsencode(os.readlink(full)).hex(), "l"  # noqa: PTH115 - bytes
        else:
            os.unlink(full)  # noqa: PTH108 - bytes
            continue
        whole.update(f"{kind} {digest} {len(path)} ".encode() + path + b"\n")
    return ScannedSource(Manifest(files), f"sha256:{whole.hexdigest()}", size_bytes)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Put it at `path`; names with a newline or a backslash are escaped as sha256sum does."""
    lines = []
    for name, digest in manifest.files.items():
        escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        lines.append((b"\\" if escaped != name else b"") + digest.encode() + b"  ./" + escaped + b"\n")
    write_file(path, b"".join(lines))


def read_manifest(path: Path) -> Manifest:
    """What `write_manifest` wrote; empty when there is none."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Manifest({})
    files = {}
    for line in filter(None, lines):
        digest, _, name = line.removeprefix(b"\\").partition(b"  ./")
        if line.startswith(b"\\"):
            name = name.replace(b"\\\\", b"\0").replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\0", b"\\")
        files[name] = digest.decode()
    return Manifest(files)


def _walk(top: bytes, prefix: bytes) -> list[tuple[bytes, os.stat_result]]:
    found: list[tuple[bytes, os.stat_result]] = []
    pending = [(top, prefix)]
    while pending:
        folder, prefix = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    found.append((path, entry.stat(follow_symlinks=False)))
                elif entry.name != b"__pycache__":
                    pending.append((entry.path, path + b"/"))
    return found


def _hash_file(path: bytes) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
