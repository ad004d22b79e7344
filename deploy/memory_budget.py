"""Whether the node can hold what is about to run: looked at before a deploy, a restart and a scale.

A new start's web processes run beside the old ones for a while, freshly begun; workers never do. What is more than
before has to fit as large as such processes grow. Sleeping apps count as nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deploy.app_settings import read_app_settings
from deploy.live_start import find_live_key
from deploy.memory_sizes import Size, measure, read_sizes, remember_fresh
from deploy.node_memory import NodeMemory, read_node_memory
from deploy.start_key import WEB, StartKey, parse_program_name
from deploy.supervisor import Supervisor
from toppcloud.app_layout import AppLayout
from toppcloud.durations import render_size
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.node import Node

_PLENTY = 4
"""Where all would fit so often as large as it was last known, it need not be known better."""


@dataclass(frozen=True)
class Need:
    """What one process type adds to what runs now."""

    process_type: str
    count: int
    each_bytes: int
    origin: str
    kept: int = 0
    """So many of the type run already and count on."""
    is_beside: bool = False
    """Whether they run beside the old ones, which then leave."""
    running: int = 0
    """So many of the type run now."""

    @property
    def total_bytes(self) -> int:
        return self.count * self.each_bytes

    def __str__(self) -> str:
        """`3 more web, 51 MB each (measured): 153 MB`"""
        word = "new" if self.is_beside else "more"
        each = " each" if self.count > 1 else ""
        beside = " beside the running ones" if self.is_beside else ""
        one = render_size(self.each_bytes)
        return f"{self.count} {word} {self.process_type}{beside}, {one}{each} ({self.origin}): " + (
            render_size(self.total_bytes)
        )


def plan_needs(wanted: Mapping[str, int], running: Mapping[str, int], sizes: Mapping[str, Size]) -> list[Need]:
    """What a new start with `wanted` processes adds while `running` ones are still there, by process type."""
    needs = []
    for process_type, count in wanted.items():
        size, now = sizes.get(process_type, Size()), running.get(process_type, 0)
        more = Need(process_type, max(0, count - now), size.grown_bytes, size.origin, kept=min(count, now), running=now)
        beside = Need(process_type, count, size.fresh_bytes, size.origin, is_beside=now > 0, running=now)
        need = max(more, beside, key=lambda need: need.total_bytes) if process_type == WEB else more
        if need.count:
            needs.append(need)
    return needs


def require_memory(
    node: Node, app: AppLayout, live: StartKey | None, process_types: Iterable[str], *, override: str
) -> None:
    """Raises ToppcloudError with the arithmetic when the node cannot hold a new start with these process types beside
    the `live` one.

    `override` is what goes on all the same: `--no-check`. A kernel that does not tell what is free limits nothing.
    """
    memory = read_node_memory()
    settings = read_app_settings(app)
    if memory is None or settings.stopped:
        return
    sizes = read_sizes(app)
    wanted = {name: settings.formation.get(name, 1) for name in process_types}
    if _PLENTY * sum(need.total_bytes for need in plan_needs(wanted, {}, sizes)) <= memory.available_bytes:
        return  # to measure takes longer than anything else up to here
    measured = measure(node.layout, live) if live else {}
    running = {name: size.count for name, size in measured.items()}
    needs = plan_needs(wanted, running, {**sizes, **measured})
    refuse_needs(app.name, needs, memory, override, is_draining=live is not None and has_leavers(node.layout, live))


def has_leavers(layout: Layout, live: StartKey) -> bool:
    """Whether something of an earlier start still runs, and takes memory that will soon be free."""
    programs = Supervisor(layout).states(prefix=f"{live.app}.")
    return any(parsed[0] != live for name in programs if (parsed := parse_program_name(name)))


def remember_start(node: Node, app: AppLayout) -> None:
    """Keep what the start takes that has just gone live, for when the app sleeps and the next change is made."""
    live = find_live_key(node.layout, app.name)
    if live:
        remember_fresh(node.layout, live, read_app_settings(app).formation)


def refuse_needs(app: str, needs: list[Need], memory: NodeMemory, override: str, *, is_draining: bool = False) -> None:
    """Raises ToppcloudError with the arithmetic unless `needs` fit."""
    needed = sum(need.total_bytes for need in needs)
    if needed <= memory.available_bytes:
        return
    free, total, reserve = map(render_size, (memory.free_bytes, memory.total_bytes, memory.reserve_bytes))
    cure = [f"Put another app to sleep: toppcloud ps:sleep -a APP   Go on all the same: {override}"]
    largest = max(needs, key=lambda need: need.total_bytes)
    fitting = (memory.available_bytes - (needed - largest.total_bytes)) // largest.each_bytes + largest.kept
    if largest.kept < fitting < largest.kept + largest.count and fitting != largest.running:
        cure.insert(0, f"Run fewer: toppcloud ps:scale {largest.process_type}={fitting} -a {app}")
    if is_draining:
        cure.insert(0, f"Wait a little, and try again: {app}'s processes of before are about to end.")
    raise ToppcloudError(
        f"The node cannot hold this: {app} needs {render_size(needed)} more memory, and "
        f"{render_size(memory.available_bytes)} can be had.",
        "\n".join([*map(str, needs), f"{free} of {total} are free, and {reserve} of that stay so for the node."]),
        "\n".join(cure),
        reason="not enough memory",
    )
