"""What the processes of a node take, asked of the kernel."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from deploy.process_memory import read_memory_bytes, read_tree
from deploy.process_record import read_process, read_processes
from toppcloud.layout import Layout

CORE = ("supervisord", "holder", "doorman")
"""What grows with the apps that sleep."""
_CPU_OF_PROCESS = 2


def find_pid(layout: Layout, name: str) -> int | None:
    """Of a program that runs now."""
    record = read_process(layout.pids, name)
    return record.pid if record and record.is_alive else None


def find_core(layout: Layout) -> list[int]:
    """supervisord, holder and doorman themselves."""
    return [pid for name in CORE if (pid := find_pid(layout, name))]


def find_all(layout: Layout) -> list[int]:
    """Every process of the node, apps too."""
    leaders = [record.pid for record in read_processes(layout.pids) if record.is_alive]
    return sorted({pid for leader in leaders for pid in read_tree(leader)})


def read_mb(pids: Sequence[int]) -> float:
    """Proportional set size in MB (10^6 bytes): pages that several share are divided among them."""
    return read_memory_bytes(list(pids)) / 1e6


def read_cpu_s(pids: Sequence[int]) -> float:
    """Processor time that they have used since they began. Source: clock_gettime(3), the kernel's posix-timers.h."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += time.clock_gettime(~pid << 3 | _CPU_OF_PROCESS)
    return total
