"""What the doorman says itself, on the sockets of starts that no program serves: a page, and when to come again.

Each request is read to the end of its head before it is answered, or the client would see a reset instead of the page.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import http
import json
import select
import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from deploy.start_key import StartKey
from toppcloud.app_layout import StartLayout

UNAVAILABLE, NOT_FOUND = 503, 404
_RETRY_AFTER_S = 10
_HEAD_BYTES = 64 * 1024
_READ_TIMEOUT_S = 10.0
_LINGER_S = 2.0
_FULL_PAUSE_S = 0.05
_ACCEPT_AT_ONCE = 64
_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = {UNAVAILABLE: _TEMPLATES / "unavailable.html", NOT_FOUND: _TEMPLATES / "not_found.html"}


@dataclass(frozen=True)
class Page:
    """What visitors are told."""

    status: int
    body: bytes

    def render(self, *, is_head: bool = False, retry_after_s: int = _RETRY_AFTER_S) -> bytes:
        """The whole HTTP answer."""
        head = (
            f"HTTP/1.1 {self.status} {http.HTTPStatus(self.status).phrase}\r\n"
            f"Content-Type: text/html; charset=utf-8\r\nContent-Length: {len(self.body)}\r\n"
            + (f"Retry-After: {retry_after_s}\r\n" if self.status == UNAVAILABLE else "")
            + "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        ).encode()
        return head if is_head else head + self.body


def read_page(start: StartLayout, status: int = UNAVAILABLE) -> Page:
    """The app's own page for its visitors when it brought one, else ours."""
    try:
        return Page(status, start.page.read_bytes())
    except OSError:
        return Page(status, _PAGES[status].read_bytes())


def mark_unavailable(start: StartLayout, status: int = UNAVAILABLE) -> None:
    """From now on, whatever dies, the doorman answers for this start."""
    start.unavailable.write_text(json.dumps({"status": status}))


def read_unavailable(start: StartLayout) -> int | None:
    """The status that the doorman is to answer with, or None when programs serve this start."""
    try:
        return int(json.loads(start.unavailable.read_text())["status"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        return UNAVAILABLE  # cut short by a power failure


@dataclass(eq=False)
class Visit:
    """A connection that is being told."""

    connection: socket.socket
    key: StartKey
    page: Page
    until: float
    head: bytearray = field(default_factory=bytearray)
    is_answered: bool = False


class Answers:
    """Serves on the given selector, whose keys hold what to call when they are ready."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._visits: set[Visit] = set()
        self._listeners: dict[StartKey, socket.socket] = {}

    @property
    def timeout_s(self) -> float | None:
        """How long the selector may wait; None when no connection is open, so that nothing runs at rest."""
        return 0.5 if self._visits else None

    def begin(self, key: StartKey, listener: socket.socket, page: Page) -> None:
        """Answer whoever comes to this listener, until `end`. Begun again, with the new page."""
        self.end(key)
        self._listeners[key] = listener
        self._selector.register(listener, selectors.EVENT_READ, lambda: self.answer_waiting(key, listener, page))

    def end(self, key: StartKey) -> None:
        """Answer there no more: what comes from now on waits."""
        listener = self._listeners.pop(key, None)
        if listener:
            self._selector.unregister(listener)

    def answer_waiting(self, key: StartKey, listener: socket.socket, page: Page) -> None:
        """Take all that wait at a listener, and answer them."""
        while waiting := accept_waiting(listener):
            for connection in waiting:
                connection.setblocking(False)
                visit = Visit(connection, key, page, time.monotonic() + _READ_TIMEOUT_S)
                self._visits.add(visit)
                self._selector.register(connection, selectors.EVENT_READ, functools.partial(self._read, visit))

    def count(self, key: StartKey) -> int:
        """Connections of that start that are ours, and no program's."""
        return sum(visit.key == key for visit in self._visits)

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
            visit.connection.send(visit.page.render(is_head=visit.head.startswith(b"HEAD ")))
            visit.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(visit)

    def _close(self, visit: Visit) -> None:
        self._visits.discard(visit)
        with contextlib.suppress(KeyError):
            self._selector.unregister(visit.connection)
        visit.connection.close()


def accept_waiting(listener: socket.socket, most: int = _ACCEPT_AT_ONCE) -> list[socket.socket]:
    """What waits in the queue of a listener. Its flags, which are shared with programs, are left alone."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    accepted: list[socket.socket] = []
    while len(accepted) < most and poll.poll(0):
        try:
            accepted.append(listener.accept()[0])
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(_FULL_PAUSE_S)  # they will still wait when a descriptor is free
            break  # or somebody else took it
    return accepted
