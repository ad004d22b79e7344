"""On which TCP addresses the processes of a program listen, asked of the kernel without connecting.

Source: proc(5), /proc/net/tcp: `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode`, addresses in
hexadecimal, each 32-bit word in the machine's byte order; state 0A is LISTEN.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.process_memory import read_tree

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING = "0A"


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket: 0.0.0.0, 5123."""

    address: str
    port: int

    @property
    def is_open(self) -> bool:
        """Whether it can be reached from other machines, as far as its address goes."""
        return self.address != "::1" and not self.address.removeprefix("::ffff:").startswith("127.")

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def find_listeners(leader: int) -> list[Listener]:
    """What the process, its descendants and others of the group that it leads listen on, by port; each address once."""
    return find_all_listeners([leader])[leader]


def find_all_listeners(leaders: Iterable[int]) -> dict[int, list[Listener]]:
    """The same for many at once: {812: [Listener("127.0.0.1", 5123)]}."""
    table = read_listeners()
    members = {leader: set(read_tree(leader)) if table else set() for leader in leaders}
    for pid in _list_pids() if table else ():
        if (group := _read_group(pid)) in members:  # children of a shell that has ended are no descendants any more
            members[group].add(pid)
    found = {
        leader: {table[inode] for pid in pids for inode in _read_sockets(pid) if inode in table}
        for leader, pids in members.items()
    }
    return {leader: sorted(ones, key=lambda one: (one.port, one.address)) for leader, ones in found.items()}


def read_listeners() -> dict[str, Listener]:
    """All listening TCP sockets of the machine, by inode."""
    found = {}
    for table in _TABLES:
        if not os.path.exists(table):  # noqa: PTH110 - a node without IPv6 has only one of them
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING:
                found[fields[9]] = _parse_address(fields[1])
    return found


def _parse_address(text: str) -> Listener:
    """`0100007F:1403` -> 127.0.0.1, 5123."""
    address, port = text.split(":")
    words = (int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8))
    family = socket.AF_INET if len(address) == 8 else socket.AF_INET6
    return Listener(socket.inet_ntop(family, b"".join(words)), int(port, 16))


def _list_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names are all it takes


def _read_group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _read_sockets(pid: int) -> set[str]:
    """Inodes of the sockets that the process has open; none when we may not look."""
    inodes = set()
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                target = os.readlink(entry.path)  # noqa: PTH115
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    except OSError:
        pass  # it ended meanwhile
    return inodes
