"""When somebody last connected to a socket, without being in the way of anybody: the kernel notes it as access time.

connect(2) touches the access time of a socket's inode; a file system that is mounted `relatime` does so only when the
time is older than the last change, and setting it is such a change. So it is set far back, and any other value tells
of a visit. With `noatime` nothing is told; then only open connections count as visits.
Source: net/unix/af_unix.c (unix_find_bsd: touch_atime), fs/inode.c (relatime_need_update), mount(8).
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from toppcloud.unix import connect_unix, listen_unix


def arm(path: Path) -> None:
    """Let the next connect be noticed."""
    with contextlib.suppress(OSError):
        os.utime(path, ns=(0, path.stat().st_mtime_ns))


def read_visit(path: Path) -> float | None:
    """Seconds since 1970 of the first connect since it was armed; None when there was none."""
    try:
        seconds = path.stat().st_atime_ns / 1e9
    except OSError:
        return None
    return seconds or None


def are_noticed(folder: Path) -> bool:
    """Whether the file system of `folder` notes visits at all: tried with a socket of our own."""
    path = folder / f"visits.{os.getpid()}.sock"
    listener: socket.socket | None = None
    try:
        listener = listen_unix(path)
        arm(path)
        connect_unix(path).close()
        return read_visit(path) is not None
    finally:
        if listener:
            listener.close()
        path.unlink(missing_ok=True)
