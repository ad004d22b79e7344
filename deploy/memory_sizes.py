"""How much memory an app's processes take: measured while they run, remembered in `apps/blog/memory.json` for later.

{"web": {"count": 2, "fresh_bytes": 40000000, "grown_bytes": 51000000}}
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.process_memory import read_memory_bytes, read_tree
from deploy.start_key import StartKey, parse_program_name
from deploy.supervisor import Supervisor
from toppcloud.app_layout import AppLayout
from toppcloud.files import read_json, write_json
from toppcloud.layout import Layout

ASSUMED_BYTES = 64 * 1024**2
"""Of a process that never ran: a small Django app with two workers."""


@dataclass(frozen=True)
class Size:
    """Of one process of a type, its children included. `count` of them make up the live start."""

    count: int = 0
    fresh_bytes: int = ASSUMED_BYTES
    """Right after it answered for the first time."""
    grown_bytes: int = ASSUMED_BYTES
    """When it was last measured."""
    origin: str = "assumed"


def measure(layout: Layout, key: StartKey) -> dict[str, Size]:
    """What the processes of a start take now, by process type; empty when none of them runs."""
    remembered = read_sizes(layout.app(key.app))
    taken: dict[str, int] = {}
    counts: dict[str, int] = {}
    for name, state in Supervisor(layout).states(prefix=f"{key.app}.").items():
        parsed = parse_program_name(name)
        if parsed is None or parsed[0] != key or not state.pid:
            continue
        process_type, *rest = parsed[1].split(".")
        taken[process_type] = taken.get(process_type, 0) + read_memory_bytes(read_tree(state.pid))
        counts[process_type] = counts.get(process_type, 0) + (rest[1:] != ["relay"])
    measured = {}
    for process_type in [name for name in taken if taken[name] and counts[name]]:
        known = remembered.get(process_type)
        count = max(counts[process_type], known.count if known else 0)
        each = taken[process_type] // count
        measured[process_type] = Size(count, min(each, known.fresh_bytes) if known else each, each, "measured")
    return measured


def remember_fresh(layout: Layout, key: StartKey, formation: Mapping[str, int]) -> None:
    """Keep what a start takes that has just gone live. `formation` says how many of each type make it up: a program
    may do the work of several."""
    app = layout.app(key.app)
    sizes = read_sizes(app)
    for name, size in measure(layout, key).items():
        count = max(1, formation.get(name, size.count))
        each = size.grown_bytes * size.count // count
        grown = sizes[name].grown_bytes if name in sizes else each
        sizes[name] = Size(count, each, max(each, grown))
    _write_sizes(app, sizes)


def remember_grown(layout: Layout, key: StartKey) -> None:
    """Keep what a start takes before it ends: when the app sleeps, nobody can measure it."""
    if measured := measure(layout, key):
        app = layout.app(key.app)
        _write_sizes(app, {**read_sizes(app), **measured})


def read_sizes(app: AppLayout) -> dict[str, Size]:
    """What was remembered. A file that cannot be read is as none: the next start writes it anew."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return {name: Size(**values, origin="remembered") for name, values in read_json(app.memory, {}).items()}
    return {}


def _write_sizes(app: AppLayout, sizes: Mapping[str, Size]) -> None:
    values = {name: dataclasses.asdict(size) for name, size in sizes.items()}
    for value in values.values():
        del value["origin"]
    write_json(app.memory, values, is_durable=False)
