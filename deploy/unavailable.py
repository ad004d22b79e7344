"""Answers 503 on the sockets of apps that are stopped: a page that people can read, and when to come again.

Each request is read to the end of its head before it is answered, or the client would see a reset instead of the page.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

_RETRY_AFTER_S = 10
_HEAD_BYTES = 64 * 1024
_READ_TIMEOUT_S = 10.0
_LINGER_S = 2.0
_ACCEPT_AT_ONCE = 64
_PAGE = Path(__file__).parent / "templates" / "unavailable.html"


@dataclass(eq=False)
class Visit:
    """A connection that is being told so."""

    connection: socket.socket
    until: float
    head: bytearray = field(default_factory=bytearray)
    is_answered: bool = False


class UnavailableAnswers:
    """Serves its connections on the given selector, whose keys hold what to call when they are ready."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._visits: set[Visit] = set()
        self._page = _PAGE.read_bytes()

    @property
    def timeout_s(self) -> float | None:
        """How long the selector may wait; None when no connection is open, so that nothing runs at rest."""
        return 0.5 if self._visits else None

    def accept(self, listener: socket.socket) -> None:
        """Take what waits at a listener that no program serves."""
        for connection in accept_waiting(listener):
            self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        """Answer this connection and close it."""
        connection.setblocking(False)
        visit = Visit(connection, time.monotonic() + _READ_TIMEOUT_S)
        self._visits.add(visit)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(visit))

    def sweep(self) -> None:
        """Close what takes too long."""
        now = time.monotonic()
        for visit in [visit for visit in self._visits if visit.until < now]:
            self._close(visit)

    def _read(self, visit: Visit) -> None:
        try:
            data = visit.connection.recv(_HEAD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(visit)
        elif not visit.is_answered:
            visit.head += data
            if b"\r\n\r\n" in visit.head or len(visit.head) > _HEAD_BYTES:
                self._respond(visit)

    def _respond(self, visit: Visit) -> None:
        """The answer fits into an empty socket buffer. Then wait for the client to close, so that it reads all."""
        visit.is_answered = True
        visit.until = time.monotonic() + _LINGER_S
        try:
            visit.connection.send(render_unavailable(self._page, is_head=visit.head.startswith(b"HEAD ")))
            visit.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(visit)

    def _close(self, visit: Visit) -> None:
        self._visits.discard(visit)
        with contextlib.suppress(KeyError):
            self._selector.unregister(visit.connection)
        visit.connection.close()


def render_unavailable(page: bytes, *, is_head: bool = False) -> bytes:
    """The whole HTTP answer."""
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(page)}\r\nRetry-After: {_RETRY_AFTER_S}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode()
    return head if is_head else head + page


def accept_waiting(listener: socket.socket, most: int = _ACCEPT_AT_ONCE) -> list[socket.socket]:
    """What waits in the queue of a listener that nobody else accepts from. The listener's flags, which are shared with
    programs, are left alone."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    accepted: list[socket.socket] = []
    while len(accepted) < most and poll.poll(0):
        try:
            accepted.append(listener.accept()[0])
        except OSError:  # nonblocking and taken by somebody else, or no descriptor left
            break
    return accepted
