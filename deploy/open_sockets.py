"""The listening sockets of all starts: opened here, copied to the holder before anybody can connect to them.

A note goes with each copy, so that after any death each held socket can be checked to be the path's own. Threads may
use it at the same time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.connections import choose_label
from deploy.holder_client import HolderClient
from deploy.start_key import StartKey, parse_start_key
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.unix import BACKLOG, listen_unix

ROUTER = "router"
"""The holder's name for the socket that the router serves."""
_PARK_TIMEOUT_S = 5.0
_PAUSE_S = 0.02
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenSocket:
    """A listening socket, and what tells that it is the one at its path (or its address)."""

    listener: socket.socket
    note: str


class OpenSockets:
    """By name: `blog/12/2`, or `router`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._holder = HolderClient(node.layout)
        self._open: dict[str, OpenSocket] = {}
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        with self._lock:
            return list(self._open)

    def find(self, key: StartKey) -> socket.socket | None:
        with self._lock:
            found = self._open.get(key.name)
            return found.listener if found else None

    def open(self, key: StartKey) -> socket.socket:
        """The socket of a start, bound at its path and parked; the one that is there when it is there already."""
        path = key.layout(self._node.layout).socket
        with self._lock:
            found = self._open.get(key.name)
            if found and found.note == read_note(path):
                return found.listener
            self._keep(key.name, self._bind(key, path))
            return self._open[key.name].listener

    def replace(self, key: StartKey) -> OpenSocket:
        """Put a new socket into its place: whoever comes from now on waits there. Returns the old one, at which nobody
        can come any more; then `restore` or `discard` it."""
        path = key.layout(self._node.layout).socket
        with self._lock:
            old = self._open.pop(key.name)
            _aside(path).unlink(missing_ok=True)
            os.link(path, _aside(path))
            try:
                self._open[key.name] = self._bind(key, path)
            except BaseException:
                self._open[key.name] = old
                raise
            return old

    def restore(self, key: StartKey, old: OpenSocket) -> OpenSocket:
        """Put the old socket back into its place. Returns the new one, at which some may wait."""
        path = key.layout(self._node.layout).socket
        with self._lock:
            self._park(key.name, old.listener, old.note)
            new, self._open[key.name] = self._open[key.name], old
            _aside(path).replace(path)
            return new

    def discard(self, key: StartKey) -> None:
        """The old socket will not come back."""
        _aside(key.layout(self._node.layout).socket).unlink(missing_ok=True)

    def _bind(self, key: StartKey, path: Path) -> OpenSocket:
        """A new socket at the path, parked before anybody can see it."""
        listener = listen_unix(
            path,
            mode=0o660,
            backlog=BACKLOG,
            label=choose_label(self._node.layout, key),
            prepare=lambda new, aside: self._prepare(key, new, aside),
        )
        return OpenSocket(listener, read_note(path) or "")

    def open_router(self) -> None:
        """The router's socket, kept over the router's own restarts. Raises OSError when the port is busy."""
        address = self._node.settings.http
        with self._lock:
            found = self._open.get(ROUTER)
            if found and found.note == address:
                return
            listener = listen_tcp(self._node.settings.http_address)
            listener.setblocking(False)  # nginx's workers share it, and would each wait in accept for ever
            self._park(ROUTER, listener, address)
            self._keep(ROUTER, OpenSocket(listener, address))

    def close(self, key: StartKey) -> None:
        """Remove the path, let go of the socket and of its copy."""
        with self._lock:
            found = self._open.pop(key.name, None)
            if found:
                path = key.layout(self._node.layout).socket
                if read_note(path) == found.note:
                    path.unlink(missing_ok=True)
                found.listener.close()
        with contextlib.suppress(OSError):
            self._holder.drop(key.name)

    def park_all(self) -> None:
        """Give the holder a copy of each: it is new. Raises OSError when it is away again."""
        with self._lock:
            for name, found in self._open.items():
                self._holder.park(name, found.listener, found.note)

    def recover(self) -> None:
        """Take copies of all that the holder keeps; it drops those whose path leads elsewhere now."""
        for name, note in self._holder.names().items():
            key = parse_start_key(name)
            path = key.layout(self._node.layout).socket if key else None
            wanted = read_note(path) if path else self._node.settings.http
            listener = self._holder.take(name) if wanted == note else None
            if listener is None:
                _log.warning("dropped a socket that is not its path's", extra={"socket": name})
                self._holder.drop(name)
                continue
            with self._lock:
                self._keep(name, OpenSocket(listener, note))

    def _prepare(self, key: StartKey, listener: socket.socket, aside: Path) -> None:
        if os.geteuid() == 0:
            os.chown(aside, -1, self._node.account.gid)  # the router is of that group
        self._park(key.name, listener, read_note(aside) or "")

    def _park(self, name: str, listener: socket.socket, note: str) -> None:
        deadline = time.monotonic() + _PARK_TIMEOUT_S
        while True:
            try:
                self._holder.park(name, listener, note)
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ToppcloudError(
                        "The node's holder does not answer.", str(error), "See: toppcloud node doctor"
                    ) from error
                time.sleep(_PAUSE_S)

    def _keep(self, name: str, found: OpenSocket) -> None:
        before = self._open.get(name)
        self._open[name] = found
        if before:
            before.listener.close()


def read_note(path: Path) -> str | None:
    """What tells one socket's path from all others, over renames: device, inode, time of birth. None: not there."""
    try:
        info = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return f"{info.st_dev}:{info.st_ino}:{info.st_mtime_ns}"


def _aside(path: Path) -> Path:
    """Where a socket that was replaced can be had back from."""
    return path.with_name(f"{path.name}.old")


def listen_tcp(address: tuple[str, int]) -> socket.socket:
    """A listening TCP socket. Raises OSError when the port is busy."""
    host, port = address
    family, _, _, _, resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(resolved)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
