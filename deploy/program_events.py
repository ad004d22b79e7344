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
import socket

_SOCKET = "run/doorman-events.sock"
_sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def tell_event(
    program: str, event: str, status: int | None = None, *, asked: bool = False, until: float = 0.0, spawns: int = 0
) -> None:
    """Send one. The current directory is the node's root."""
    value = {"program": program, "event": event, "status": status, "asked": asked, "until": until, "spawns": spawns}
    with contextlib.suppress(OSError):
        _sender.sendto(json.dumps(value).encode(), _SOCKET)
