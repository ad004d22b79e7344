"""Which connections a program serves on a start's listening socket, asked of the kernel.

Source: proc(5), /proc/net/unix: `Num RefCount Protocol Flags Type St Inode Path`; an accepted connection bears the name
that its listener was bound to, and /proc/PID/fd says whose it is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_CONNECTED = "03"
_LISTENER = "/.web.sock."  # sockets are bound aside and renamed, see toppcloud/unix.py


def has_connections(pids: Iterable[int]) -> bool:
    """Whether one of the processes holds a connection that came in through a web socket.

    False too where the kernel does not tell: then nothing is waited for.
    """
    accepted = _read_accepted()
    return any(not accepted.isdisjoint(_read_sockets(pid)) for pid in pids) if accepted else False


def _read_accepted() -> set[str]:
    """`socket:[559338]` of every accepted connection of every web socket on the machine."""
    accepted = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
            fields = line.split(None, 7)
            if len(fields) == 8 and fields[5] == _CONNECTED and _LISTENER in fields[7]:
                accepted.add(f"socket:[{fields[6]}]")
    return accepted


def _read_sockets(pid: int) -> set[str]:
    folder = f"/proc/{pid}/fd"
    links = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - a few hundred names, ten times a second
            with contextlib.suppress(OSError):
                links.add(os.readlink(f"{folder}/{name}"))  # noqa: PTH115
    return links
