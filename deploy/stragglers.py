"""Connections that wait in a socket which nobody will serve any more: each is handed on to another socket, both ways.

Nothing of them has been read, so whoever takes them can serve them as well.
"""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

from deploy.answers import accept_waiting
from deploy.forwarder import Forwarder
from toppcloud.unix import connect_unix

_PATIENCE_S = 30.0
_log = logging.getLogger(__name__)


def forward_waiting(listener: socket.socket, path: Path) -> None:
    """Lead all that wait at `listener` to the socket at `path`, and wait until they have ended."""
    forwarder = Forwarder(lambda: connect_unix(path, timeout_s=1.0), patience_s=_PATIENCE_S)
    count = 0
    with forwarder.selector:
        while waiting := accept_waiting(listener):
            count += len(waiting)
            for connection in waiting:
                forwarder.add(connection)
        while not forwarder.is_idle:
            forwarder.turn(1.0)
    if count:
        _log.info("forwarded %d that waited, to %s", count, path)


def forward_and_close(listener: socket.socket, path: Path) -> None:
    """The same without waiting, and the listener is closed in the end."""

    def forward() -> None:
        with listener:
            forward_waiting(listener, path)

    threading.Thread(target=forward, name="stragglers", daemon=True).start()
