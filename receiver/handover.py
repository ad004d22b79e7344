"""How the front door hands a session to the process that forks workers: one message with the session's descriptors.

The request is JSON in a memory file, so that a command line of any length goes in one message:
    {"person": "ana", "command": "apps --json", "terminal": {"columns": 80, ...} or null, "environment": {}}
    descriptors: request, stdin, stdout, stderr; with a terminal: request, pty
Then, on the same connection: signal names as lines to the forker (`TERM`), and one JSON line back at the end:
    {"status": 0}   or, when a signal ended the worker,   {"signal": 11}
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from dataclasses import dataclass, field

from receiver.session import Terminal

_MOST_DESCRIPTORS = 4
FORWARDED_SIGNALS = frozenset({"HUP", "INT", "QUIT", "TERM", "USR1", "USR2"})


@dataclass(frozen=True)
class Request:
    """What a person asks for. `command` None: a login without a command."""

    person: str
    command: str | None
    terminal: Terminal | None = None
    environment: dict[str, str] = field(default_factory=dict)
    address: str = ""
    """Where the person reached the door: `127.0.0.1:2222`."""


def send_request(connection: socket.socket, request: Request, streams: list[int]) -> None:
    """Hand over `streams`; the sender's own copies stay open. Does not block."""
    fd = os.memfd_create("session", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(json.dumps(dataclasses.asdict(request)).encode())
        socket.send_fds(connection, [b"\n"], [fd, *streams])
    finally:
        os.close(fd)


def receive_descriptors(connection: socket.socket) -> list[int]:
    """The descriptors of one handover, the request first; empty when the door has gone."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    return descriptors


def read_request(fd: int) -> Request:
    """The request in the memory file `fd`, which is closed."""
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        value = json.load(file)
    if value["terminal"]:
        value["terminal"] = Terminal(**value["terminal"])
    return Request(**value)
