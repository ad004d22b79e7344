"""Tells the doorman that a program began or ended. Never waits: a doorman that is away has lost it, and asks later.

One datagram each to run/doorman-events.sock:

    {"program": "blog.web.1.v12.2", "event": "exited", "status": 1, "asked": false, "until": 1795355104.2, "spawns": 4}

`event` is "started" or "exited". `status` is negative for a signal, and null when it has not ended or nobody knows.
`asked`: it was stopped. `until`: when it is started again (seconds since 1970), 0 when that is at once or never.
`spawns`: how often it was started by now.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

_SOCKET = "run/doorman-events.sock"
_sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def tell_event(
    program: str, event: str, status: int | None = None, *, asked: bool = False, until: float = 0.0, spawns: int = 0
) -> None:
    """Send one. The current directory is the node's root."""
    value = {"program": program, "event": event, "status": status, "asked": asked, "until": until, "spawns": spawns}
    with contextlib.suppress(OSError):
        _sender.sendto(json.dumps(value).encode(), _SOCKET)


class EventInbox:
    """Where the doorman hears of them. For a selector: readable when there is something to `read`."""

    def __init__(self, path: Path) -> None:
        os.chdir(path.parent)  # the path may be longer than a socket's name can be
        aside = Path(f"{path.name}.new")
        aside.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(aside))
        aside.chmod(0o600)
        aside.replace(path.name)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> list[dict[str, Any]]:
        """All that has come."""
        events = []
        with contextlib.suppress(BlockingIOError):
            while True:
                events.append(json.loads(self._socket.recv(4096)))
        return events
