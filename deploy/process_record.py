"""Which processes are the node's: run/pids/NAME is what supervisord knows of NAME, for who comes after it.

    812 4711                                        pid and start time; `0 0` before it is spawned for the first time
    apps/blog/releases/12/starts/2/worker.1.ini     the program's INI file
    start                                           it is about to be spawned
    stop 32.0                                       it was asked to stop, and has so many seconds for it
    told                                            and was sent the signal

A new supervisord takes over what is alive, and a new node ends what an old one left. A pid alone is not enough: after
a reboot it may be somebody else's. The record goes when the program is removed, not when its process ends.
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
_ASIDE = ".new"
_PAUSE_S = 0.02


@dataclass(frozen=True)
class ProcessRecord:
    """A process as it was recorded."""

    name: str
    pid: int
    start_time: int
    program: str = ""
    """Path of its INI file; empty for supervisord itself."""
    is_wanted: bool = False
    """It was about to be spawned for the first time, or after a stop."""
    stop_s: float | None = None
    """Once it was asked to stop: how long it may take."""
    was_told: bool = False
    """It was sent the signal that asks it to stop."""

    @property
    def is_alive(self) -> bool:
        return bool(self.pid) and read_start_time(self.pid) == self.start_time

    @property
    def is_stopping(self) -> bool:
        """It is not to run: it was asked to stop, and may have done so."""
        return self.stop_s is not None

    @property
    def started_at(self) -> float:
        """Seconds since 1970; 0 when it was never spawned."""
        booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return booted_at + self.start_time / os.sysconf("SC_CLK_TCK") if self.pid else 0.0


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


def record_process(name: str, pid: int, program: str = "", *marks: str) -> None:
    """Write run/pids/NAME in the current directory, whole at any moment. A pid of 0: known, and not spawned."""
    aside = f"{_FOLDER}/{name}{_ASIDE}"
    with contextlib.suppress(OSError):
        with open(aside, "w") as file:  # noqa: PTH123
            file.writelines(f"{line}\n" for line in (f"{pid} {(pid and read_start_time(pid)) or 0}", program, *marks))
        os.rename(aside, f"{_FOLDER}/{name}")  # noqa: PTH104


def mark_process(name: str, mark: str) -> None:
    """Add a line to run/pids/NAME in the current directory: `stop 32.0` before it is told, `told` after."""
    with contextlib.suppress(OSError):
        fd = os.open(f"{_FOLDER}/{name}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(fd, f"{mark}\n".encode())
        finally:
            os.close(fd)


def forget_process(name: str) -> None:
    """Remove run/pids/NAME in the current directory."""
    with contextlib.suppress(OSError):
        os.unlink(f"{_FOLDER}/{name}")  # noqa: PTH108


def read_processes(folder: Path) -> list[ProcessRecord]:
    """All records in run/pids, by name."""
    names = sorted(path.name for path in folder.glob("*") if not path.name.endswith(_ASIDE))
    return [record for name in names if (record := read_process(folder, name))]


def read_process(folder: Path, name: str) -> ProcessRecord | None:
    """One record in run/pids; None when there is none."""
    try:
        lines = (folder / name).read_text().splitlines()
        pid, start_time = (int(word) for word in lines[0].split())
    except (ValueError, IndexError, FileNotFoundError):
        return None  # half-written when the machine went down
    marks = [line.split() for line in lines[2:]]
    stops = [float(words[1]) for words in marks if len(words) == 2 and words[0] == "stop"]
    program = lines[1] if len(lines) > 1 else ""
    return ProcessRecord(
        name, pid, start_time, program, ["start"] in marks, stops[-1] if stops else None, ["told"] in marks
    )


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


def has_group(group: int) -> bool:
    """Whether the process group has any member, be it a dead one that nobody has reaped yet."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def has_living_members(group: int) -> bool:
    """Whether a member of that process group lives. It looks at every process there is: no question for a loop."""
    if not has_group(group):
        return False
    for entry in os.scandir("/proc"):
        fields = _read_stat(int(entry.name)) if entry.name.isdigit() else None
        if fields and int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            return True
    return False


def find_members(record: ProcessRecord) -> list[int]:
    """Processes of the group whose dead leader is `record`: started after it, as app processes of a node."""
    if not record.pid or not has_group(record.pid):
        return []
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
