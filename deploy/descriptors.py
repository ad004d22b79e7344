"""How many descriptors a process has open, and how many it may. Who holds sockets must never run out of them.

Source: proc(5), /proc/PID/fd and /proc/PID/limits: `Max open files  1024  524288  files`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.finding import OK, WARN, Finding

WATCHED = ("supervisord", "holder", "doorman", "logger", "router")
"""They need descriptors for each app, or for each visitor."""
_FULL = 0.8


@dataclass(frozen=True)
class Descriptors:
    """Of one process; `allowed` is its soft limit."""

    used: int
    allowed: int

    @property
    def is_nearly_full(self) -> bool:
        return self.used > _FULL * self.allowed


def read_descriptors(pid: int) -> Descriptors | None:
    """None when the process is gone, or another account's."""
    try:
        used = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    soft = next(line.split()[3] for line in limits.splitlines() if line.startswith("Max open files"))
    return Descriptors(used, int(soft)) if soft.isdigit() else None


def check_descriptors(pids: Mapping[str, int]) -> Iterator[Finding]:
    """One line for all that have enough: `descriptors: holder 12 of 524288, …`; one for each that has not."""
    counts = {name: count for name in WATCHED if name in pids and (count := read_descriptors(pids[name]))}
    texts = {name: f"{name} {count.used} of {count.allowed}" for name, count in counts.items()}
    enough = [texts[name] for name, count in counts.items() if not count.is_nearly_full]
    if enough:
        yield Finding(OK, f"descriptors: {', '.join(enough)}")
    for name, count in counts.items():
        if count.is_nearly_full:
            cure = "Raise LimitNOFILE in toppcloud.service (or ulimit -Hn); toppcloud node stop; toppcloud node start"
            yield Finding(WARN, f"{texts[name]} descriptors are in use", cure)
