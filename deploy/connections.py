"""How many connections each start's socket has: those that a program has accepted, and those that still wait.

Asked of the kernel, in one reading for all apps: an accepted connection bears the name that its listener was bound
to, and that name tells the start (see `label`). Nothing of it lies in the way of a request.
Source: proc(5), /proc/net/unix: `Num RefCount Protocol Flags Type St Inode Path`. Of the kernel's net/unix/af_unix.c,
unix_seq_show: St 03 is accepted; 02 with inode 0 is one that nobody has accepted yet.
"""

from __future__ import annotations

import re
import secrets
import socket
import zlib
from dataclasses import dataclass
from pathlib import Path

from deploy.start_key import StartKey
from toppcloud.layout import Layout

_TABLE = Path("/proc/net/unix")
_ACCEPTED = b"03"


@dataclass
class Connections:
    """Of one start."""

    accepted: int = 0
    waiting: int = 0

    def add(self, state: bytes) -> None:
        """Count one more, by its state in the kernel's table."""
        if state == _ACCEPTED:
            self.accepted += 1
        else:
            self.waiting += 1


def choose_label(layout: Layout, key: StartKey) -> str:
    """What a socket of a start is bound as, beside `.web.sock.`: the node, since several may run on one machine, the
    start, and something to tell its sockets apart."""
    return f"{_tag(layout)}.{key.app}.{key.release}.{key.start}.{secrets.token_hex(3)}"


def read_connections(layout: Layout) -> dict[StartKey, Connections]:
    """The starts of this node that have any connection. Empty where the kernel does not tell."""
    label = rb"%s\.([a-z0-9-]+)\.(\d+)\.(\d+)\.[0-9a-f]+" % _tag(layout).encode()
    found: dict[StartKey, Connections] = {}
    for state, app, release, start in _find(label):
        connections = found.setdefault(StartKey(app.decode(), int(release), int(start)), Connections())
        connections.add(state)
    return found


def count_at(listener: socket.socket) -> Connections:
    """Those of one listening socket."""
    label = re.escape(str(listener.getsockname()).rpartition("/.web.sock.")[2].encode())
    connections = Connections()
    for (state,) in _find(label):
        connections.add(state)
    return connections


def _find(label: bytes) -> list[tuple[bytes, ...]]:
    """The state of each connection of sockets with such a label, and what the label's groups match."""
    try:
        table = _TABLE.read_bytes()
    except OSError:
        return []
    return [match.groups() for match in re.finditer(rb" (0[23]) +\d+ \S*/\.web\.sock\.%s\n" % label, table)]


def count_connections(layout: Layout, key: StartKey) -> Connections:
    """Those of one start."""
    return read_connections(layout).get(key, Connections())


def _tag(layout: Layout) -> str:
    return f"{zlib.crc32(str(layout.root).encode()):08x}"
