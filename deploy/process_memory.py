"""Memory of running processes, asked of the kernel: PSS, so that pages shared by forked workers count once.

Source: proc(5), /proc/PID/smaps_rollup and /proc/PID/task/TID/children.
"""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


def read_tree(pid: int) -> list[int]:
    """`pid` and all its descendants; empty when it has ended."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        try:
            tasks = list((_PROC / str(current) / "task").iterdir())
            children = [word for task in tasks for word in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(current)
        waiting += [int(child) for child in children]
    return found


def read_memory_bytes(pids: list[int]) -> int:
    """Their proportional set size, in bytes. A process that ended, or that we may not look at, counts as nothing."""
    total = 0
    for pid in pids:
        try:
            text = (_PROC / str(pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total
