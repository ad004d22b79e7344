"""Copies bytes both ways between pairs of connections, any number of them on one selector.

The end of each direction is passed on by itself, so WebSockets and half-closed connections work.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_CHUNK = 64 * 1024
_MOST_BUFFERED = 256 * 1024
_CONNECT_PAUSE_S = 0.05
_CONNECT_TIMEOUT_S = 30.0
_LINGER_S = 5.0
_RETRIED = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN)

Connect = Callable[[], socket.socket]
"""Makes a connected socket to the program, without waiting. Raises OSError."""


@dataclass(eq=False)
class Side:
    """One end of a relayed connection, and the bytes that wait to go out through it."""

    socket: socket.socket
    is_client: bool
    outgoing: bytearray = field(default_factory=bytearray)
    has_ended: bool = False
    """It will send no more."""
    is_shut: bool = False
    """We told it that no more comes."""
    peer: Side | None = None
    mask: int = 0
    used_at: float = 0.0


@dataclass(eq=False)
class Waiting:
    """A client whose program does not accept yet."""

    client: socket.socket
    give_up_at: float


class Forwarder:
    """Relays any number of connections on one selector. What it is given it owns and closes."""

    def __init__(self, connect: Connect | None = None, *, patience_s: float = _CONNECT_TIMEOUT_S) -> None:
        self.selector = selectors.DefaultSelector()
        self._connect = connect
        self._patience_s = patience_s
        self._waiting: list[Waiting] = []
        self._lingering: set[Side] = set()
        self._open = 0

    @property
    def is_idle(self) -> bool:
        return not self._open and not self._waiting

    def add(self, client: socket.socket) -> None:
        """Relay this connection from now on; it waits while there is nobody to connect to."""
        self._open_pair(Waiting(client, time.monotonic() + self._patience_s))

    def turn(self, timeout_s: float | None = None) -> list[selectors.SelectorKey]:
        """Wait for something to happen and do what is due; returns the ready keys that are not connections."""
        if self._waiting:
            timeout_s = min(_CONNECT_PAUSE_S, timeout_s or _CONNECT_PAUSE_S)
        elif self._lingering:
            timeout_s = min(_LINGER_S, timeout_s or _LINGER_S)
        others = []
        for key, mask in self.selector.select(timeout_s):
            if isinstance(key.data, Side):
                self._serve(key.data, mask)
            else:
                others.append(key)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._open_pair(one)
        self._end_lingering()
        return others

    def _end_lingering(self) -> None:
        """Close what a client keeps open although the program has said its last."""
        now = time.monotonic()
        for side in [side for side in self._lingering if side.used_at + _LINGER_S < now]:
            if side.peer:
                self._close(side, side.peer)
            self._lingering.discard(side)

    def _open_pair(self, waiting: Waiting) -> None:
        assert self._connect, "without it there is only join()"
        try:
            program = self._connect()
        except OSError as error:
            if error.errno in _RETRIED and time.monotonic() < waiting.give_up_at:
                self._waiting.append(waiting)
            else:
                waiting.client.close()
            return
        self.join(waiting.client, program)

    def join(self, client: socket.socket, program: socket.socket) -> None:
        """Relay between these two from now on."""
        for one in (client, program):
            one.setblocking(False)
        client_side, program_side = Side(client, True), Side(program, False)
        client_side.peer, program_side.peer = program_side, client_side
        self._open += 1
        self._watch(client_side)
        self._watch(program_side)

    def _serve(self, side: Side, mask: int) -> None:
        peer = side.peer
        if peer is None:
            return  # closed earlier in this turn
        if self._lingering:
            side.used_at = peer.used_at = time.monotonic()
        try:
            if mask & selectors.EVENT_WRITE:
                self._send(side)
            if mask & selectors.EVENT_READ:
                self._receive(side, peer)
        except OSError:
            self._close(side, peer)
            return
        if side.is_shut and peer.is_shut:
            self._close(side, peer)
            return
        self._watch(side)
        self._watch(peer)
        for one in (side, peer):
            if one.is_client and one.is_shut and one not in self._lingering:
                one.used_at = time.monotonic()
                self._lingering.add(one)

    def _receive(self, side: Side, peer: Side) -> None:
        try:
            data = side.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        side.has_ended = not data
        peer.outgoing += data
        self._send(peer)

    def _send(self, side: Side) -> None:
        try:
            if side.outgoing:
                del side.outgoing[: side.socket.send(side.outgoing)]
        except BlockingIOError:
            return
        if side.peer and side.peer.has_ended and not side.outgoing and not side.is_shut:
            side.is_shut = True
            if not side.peer.is_shut:  # else both are closed right away
                side.socket.shutdown(socket.SHUT_WR)

    def _watch(self, side: Side) -> None:
        """Read from `side` while its peer can take more; write while something waits."""
        assert side.peer
        mask = selectors.EVENT_WRITE if side.outgoing else 0
        if not side.has_ended and len(side.peer.outgoing) < _MOST_BUFFERED:
            mask |= selectors.EVENT_READ
        if mask == side.mask:
            return
        if not side.mask:
            self.selector.register(side.socket, mask, side)
        elif mask:
            self.selector.modify(side.socket, mask, side)
        else:
            self.selector.unregister(side.socket)
        side.mask = mask

    def _close(self, *sides: Side) -> None:
        self._open -= 1
        for side in sides:
            if side.mask:
                self.selector.unregister(side.socket)
            side.socket.close()
            side.peer = None
            self._lingering.discard(side)
