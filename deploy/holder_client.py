"""Talking to the holder: park, take, drop, names. See holder.py for the packets."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from toppcloud.layout import Layout
from toppcloud.unix import connect_unix

_TIMEOUT_S = 2.0
_LONGEST_ANSWER = 4096


class HolderRefused(OSError):
    """The holder answered something else than `ok`."""


@dataclass(frozen=True)
class HolderClient:
    """The holder of one node. Every method raises OSError when it is away; a note is a word without spaces."""

    layout: Layout

    def connect(self) -> socket.socket:
        """A connection that ends when the holder does."""
        return connect_unix(self.layout.holder_socket, timeout_s=_TIMEOUT_S, kind=socket.SOCK_SEQPACKET)

    def park(self, name: str, listener: socket.socket, note: str) -> None:
        """Keep a copy of the socket under `name`; one that was there before is dropped."""
        with self.connect() as connection:
            socket.send_fds(connection, [f"park {name} {note}".encode()], [listener.fileno()])
            _expect_ok(connection.recv(_LONGEST_ANSWER))

    def take(self, name: str) -> socket.socket | None:
        """Another copy of what is kept, or None."""
        with self.connect() as connection:
            connection.send(f"take {name}".encode())
            answer, fds, _, _ = socket.recv_fds(connection, _LONGEST_ANSWER, 1)
            return socket.socket(fileno=fds[0]) if answer.startswith(b"ok") and fds else None

    def drop(self, name: str) -> None:
        """Keep it no more."""
        with self.connect() as connection:
            connection.send(f"drop {name}".encode())
            _expect_ok(connection.recv(_LONGEST_ANSWER))

    def names(self) -> dict[str, str]:
        """What is kept, with its note."""
        names = {}
        with self.connect() as connection:
            connection.send(b"names")
            while (answer := connection.recv(_LONGEST_ANSWER)) != b"end":
                if not answer:
                    raise HolderRefused("the holder went away")
                name, _, note = answer.decode().partition(" ")
                names[name] = note
        return names


def _expect_ok(answer: bytes) -> None:
    if answer != b"ok":
        raise HolderRefused(f"the holder answered {answer!r}")
