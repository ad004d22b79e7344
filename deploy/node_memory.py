"""How much memory is left for more processes: what the machine has, and what its control groups leave of that.

Source: proc(5), /proc/meminfo and /proc/PID/cgroup; the kernel's admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SMALLEST_RESERVE, _LARGEST_RESERVE = 32 * 1024**2, 256 * 1024**2
_RESERVED_PART = 20
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = ("memory.max", "memory.current", "inactive_file")


@dataclass(frozen=True)
class NodeMemory:
    """Bytes. `free_bytes` is what processes may still take: free pages, file cache that can go, and free swap."""

    total_bytes: int
    free_bytes: int

    @property
    def reserve_bytes(self) -> int:
        """What stays free for the node itself, sessions and builds: a twentieth, 32 to 256 MB."""
        return min(_LARGEST_RESERVE, max(_SMALLEST_RESERVE, self.total_bytes // _RESERVED_PART))

    @property
    def available_bytes(self) -> int:
        """What apps may take."""
        return max(0, self.free_bytes - self.reserve_bytes)


def read_node_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> NodeMemory | None:
    """The least that the machine and each control group around us leave; None where the kernel does not tell."""
    try:
        machine = parse_meminfo((proc / "meminfo").read_text())
        path = (proc / "self" / "cgroup").read_text()
    except (OSError, KeyError, ValueError):
        return None
    limits = [machine, *_read_groups(path, groups)]
    return NodeMemory(min(m.total_bytes for m in limits), min(m.free_bytes for m in limits))


def parse_meminfo(text: str) -> NodeMemory:
    """`MemAvailable:   23619000 kB`. Raises KeyError for a kernel before 3.14, which does not say."""
    values = {
        name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in text.splitlines())
    }
    return NodeMemory(values["MemTotal"], values["MemAvailable"] + values.get("SwapFree", 0))


def _read_groups(text: str, groups: Path) -> Iterator[NodeMemory]:
    """`4:memory:/system.slice/x.service` (version 1) or `0::/system.slice/x.service` (version 2), and all above."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield from _read_upwards(groups / "memory", path, _V1)
        elif not controllers:
            yield from _read_upwards(groups, path, _V2)


def _read_upwards(top: Path, path: str, files: tuple[str, str, str]) -> Iterator[NodeMemory]:
    """Inside a container the outer names may be missing: then what is there counts, the top at least."""
    folder = top / path.lstrip("/")
    for place in (folder, *folder.parents):
        if place.is_relative_to(top):
            with contextlib.suppress(OSError, ValueError):
                yield _read_group(place, files)


def _read_group(folder: Path, files: tuple[str, str, str]) -> NodeMemory:
    """Raises ValueError when it has no limit ("max")."""
    limit, usage, cache = files
    limit_bytes = int((folder / limit).read_text())
    stat: Mapping[str, str] = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    used_bytes = int((folder / usage).read_text()) - int(stat.get(cache, 0))
    return NodeMemory(limit_bytes, max(0, limit_bytes - used_bytes))
