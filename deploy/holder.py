"""Keeps listening sockets by name, so that any other process of the node may die. Does nothing else.

Runs on its own (`python -I -S deploy/holder.py`, current directory = ROOT) and imports nothing of the house. One packet
per request over run/holder.sock, a descriptor beside it:

    park blog/12/2 NOTE  + fd  ->  ok
    take blog/12/2             ->  ok NOTE + fd, or no
    drop blog/12/2             ->  ok
    names                      ->  blog/12/2 NOTE (a packet each), then end

Source: unix(7), SOCK_SEQPACKET and SCM_RIGHTS.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import socket

SOCKET = "run/holder.sock"
_SEND_TIMEOUT_S = 2.0
_LONGEST_REQUEST = 4096


class Holder:
    """What is held: name -> (descriptor, note)."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, str]] = {}

    def serve(self, listener: socket.socket) -> None:
        """Answer requests for ever, one at a time."""
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is listener:
                        connection, _ = listener.accept()
                        connection.settimeout(_SEND_TIMEOUT_S)
                        selector.register(connection, selectors.EVENT_READ)
                    elif not self._answer(key.fileobj):  # type: ignore[arg-type] # all others are connections
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]

    def _answer(self, connection: socket.socket) -> bool:
        """Answer one request; False when the connection is over."""
        try:
            request, fds, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 1)
            if not request:
                return False
            verb, _, rest = request.decode().partition(" ")
            name, _, note = rest.partition(" ")
            if verb == "park" and fds:
                self._drop(name)
                self._held[name] = (fds[0], note)
            elif verb == "take":
                return self._give(connection, name)
            elif verb == "drop":
                self._drop(name)
            elif verb == "names":
                for held, (_, its_note) in self._held.items():
                    connection.send(f"{held} {its_note}".encode())
                connection.send(b"end")
                return True
            connection.send(b"ok")
        except (OSError, UnicodeDecodeError):
            return False
        return True

    def _give(self, connection: socket.socket, name: str) -> bool:
        if name in self._held:
            fd, note = self._held[name]
            socket.send_fds(connection, [f"ok {note}".encode()], [fd])
        else:
            connection.send(b"no")
        return True

    def _drop(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held:
            os.close(held[0])


def listen() -> socket.socket:
    """The control socket, bound aside and renamed into place."""
    aside = f"{SOCKET}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside)  # noqa: PTH108 - pathlib would double the memory
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.umask(0o077)
    listener.bind(aside)
    listener.listen(128)
    os.replace(aside, SOCKET)  # noqa: PTH105
    return listener


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Holder().serve(listen())


if __name__ == "__main__":
    main()
