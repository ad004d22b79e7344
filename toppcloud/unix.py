"""Unix sockets at paths of any length: the kernel takes 107 bytes, so they are named through a folder's descriptor."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

BACKLOG = 4096


@contextlib.contextmanager
def _short_address(path: Path) -> Iterator[str]:
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


def connect_unix(path: Path, *, timeout_s: float | None = None, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A connected socket. Raises OSError (FileNotFoundError, ConnectionRefusedError) as connect(2) does."""
    connection = socket.socket(socket.AF_UNIX, kind)
    try:
        connection.settimeout(timeout_s)
        with _short_address(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def listen_unix(
    path: Path,
    *,
    mode: int = 0o600,
    backlog: int = BACKLOG,
    label: str = "",
    prepare: Callable[[socket.socket, Path], None] | None = None,
) -> socket.socket:
    """A listening socket at `path`: bound aside and renamed into place, so that no one meets it half-made.

    The kernel goes on calling it by the name that it has aside: with a `label` it can be told from all others there.
    `prepare` is called with the socket and that name, before anybody can see it.
    """
    temporary = path.with_name(f".{path.name[:20]}.{label or os.getpid()}")
    temporary.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_address(temporary) as address:
            listener.bind(address)
        temporary.chmod(mode)
        listener.listen(backlog)
        if prepare:
            prepare(listener, temporary)
        temporary.replace(path)
    except BaseException:
        listener.close()
        temporary.unlink(missing_ok=True)
        raise
    return listener
