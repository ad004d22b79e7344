"""Which processes are the node's: run/pids/NAME holds `PID STARTTIME`, so that a new node can end what an old one left.

A pid alone is not enough: after a reboot it may be somebody else's.
Source: proc(5), /proc/PID/stat, fields 3, 20 and 22.
The functions that take no layout work on the current directory, which is the root of every daemon.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_FOLDER = "run/pids"
_PAUSE_S = 0.02


@dataclass(frozen=True)
class ProcessRecord:
    """A process as it was recorded."""

    name: str
    pid: int
    start_time: int

    @property
    def is_alive(self) -> bool:
        return read_start_time(self.pid) == self.start_time


def read_start_time(pid: int) -> int | None:
    """When that process started, in clock ticks since boot; None when there is none, or when it is dead already."""
    fields = _read_stat(pid)
    if fields is None:
        return None
    is_dead = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1  # threads may outlive their leader by a moment
    return None if is_dead else int(fields[19])


def _read_stat(pid: int) -> list[bytes] | None:
    """Fields 3 and on of /proc/PID/stat; None when there is no such process, not even a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - runs in supervisord's loop
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def record_process(name: str, pid: int) -> None:
    """Write run/pids/NAME in the current directory."""
    with contextlib.suppress(OSError), open(f"{_FOLDER}/{name}", "w") as file:  # noqa: PTH123
        file.write(f"{pid} {read_start_time(pid)}\n")


def forget_process(name: str) -> None:
    """Remove run/pids/NAME in the current directory."""
    with contextlib.suppress(OSError):
        os.unlink(f"{_FOLDER}/{name}")  # noqa: PTH108


def read_processes(folder: Path) -> list[ProcessRecord]:
    """All records in run/pids."""
    records = []
    for path in sorted(folder.glob("*")):
        try:
            pid, start_time = (int(word) for word in path.read_text().split())
        except (ValueError, FileNotFoundError):
            continue  # half-written when the machine went down
        records.append(ProcessRecord(path.name, pid, start_time))
    return records


def end_left_overs(folder: Path, *, patience_s: float) -> list[str]:
    """End the process groups of a node that is gone: SIGTERM, after `patience_s` SIGKILL. Returns their names."""
    records = [record for record in read_processes(folder) if _is_ours(record)]
    for number, limit_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        for record in records:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if _is_ours(record):
                    os.killpg(record.pid, number)
        deadline = time.monotonic() + limit_s
        while any(_is_ours(record) for record in records) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
    for path in folder.glob("*"):
        path.unlink(missing_ok=True)
    return [record.name for record in records]


def _is_ours(record: ProcessRecord) -> bool:
    """Whether the process lives, or members of the group that it led."""
    return record.is_alive or bool(find_members(record))


def find_members(record: ProcessRecord) -> list[int]:
    """Processes of the group whose dead leader is `record`: started after it, as app processes of a node."""
    leader = _read_stat(record.pid)
    if leader and int(leader[19]) != record.start_time:
        return []  # somebody else's by now; a zombie that nobody has reaped yet is still ours
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) != record.pid or int(fields[19]) < record.start_time or fields[0] == b"Z":
                continue
            if b"TOPPCLOUD_APP=" in path.with_name("environ").read_bytes():
                members.append(int(path.parent.name))
        except OSError:
            continue
    return members
