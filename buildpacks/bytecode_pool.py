"""Bytecode of what is installed, shared by all virtualenvs of a node: by the content of the source that it comes from.

cache/bytecode/cpython-311/<sha256 of the .py file>.pyc     one inode with that in the virtualenvs
Whoever runs apps owns it, as uv's cache, of whose files virtualenvs consist already.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from buildpacks.bytecode import Compilation
from toppcloud.layout import Layout

_LARGEST = 4_000_000


def locate_pool(layout: Layout, cache_tag: str) -> Path:
    """The folder of the pool for one version of Python."""
    return layout.bytecode_cache / cache_tag


def find_pooled(pool: Path) -> Callable[[Compilation], Path | None]:
    """For `reuse_bytecode`: the bytecode of an equal source, if there is any."""
    names = frozenset(path.name for path in pool.iterdir()) if pool.is_dir() else frozenset()

    def find(compilation: Compilation) -> Path | None:
        name = _name(compilation.source) if names else None
        return pool / name if name in names else None

    return find


def fill_pool(pool: Path, compilations: Iterable[Compilation]) -> None:
    """Give the pool what was compiled just now. What cannot be shared is compiled again another time."""
    pool.mkdir(mode=0o755, parents=True, exist_ok=True)
    for compilation in compilations:
        name = _name(compilation.source)
        if name:
            with contextlib.suppress(OSError):  # it did not compile, or somebody else was quicker
                os.link(compilation.target, pool / name, follow_symlinks=False)


def _name(source: Path) -> str | None:
    """None for what is no file that one reads: a package may bring anything."""
    try:
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb", buffering=0) as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _LARGEST:
            return None
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}.pyc"
