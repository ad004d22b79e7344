"""What it costs that a node has many apps which nobody visits: memory, processor time, its start, a deploy."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass

from benchmarks.app_copies import copy_name, make_copies
from benchmarks.figure import Figure, at_most, render
from benchmarks.live_node import LiveNode, Repository
from benchmarks.node_processes import find_all, find_core, read_cpu_s, read_mb
from benchmarks.plot import Line, Panel, render_plot
from benchmarks.pushes import measure_code_pushes, push, push_app
from benchmarks.sample_apps import flask_files
from benchmarks.scale import Scale
from benchmarks.section import Section
from benchmarks.table import Table
from benchmarks.wake import measure_visit
from deploy.doorman_client import DoormanClient
from deploy.node_memory import read_node_memory

AIMED = 1000
DEPLOYS = 15
FIRST_PUSHES = 9
STARTS = 3
WAKES = 8
"""Of the smallest number of apps as many can be had."""
REST_S, SHORT_REST_S = 30, 10
_MB_AN_APP = 1
FIRST, LAST = "first", "zz-last"


@dataclass(frozen=True)
class Growth:
    """A node with so many sleeping apps."""

    apps: int
    core_mb: float
    core_cpu: float
    """Percent of one core: supervisord, holder and doorman at rest."""
    all_cpu: float
    starts_s: list[float]
    deploys_s: list[float]
    deploys_alone_s: list[float]
    """In turn with the others, on a node that has this one app."""
    first_pushes_s: list[float]
    first_pushes_alone_s: list[float]
    wakes_ms: list[float]

    @property
    def deploy_factor(self) -> float:
        return statistics.median(self.deploys_s) / statistics.median(self.deploys_alone_s)

    @property
    def first_push_factor(self) -> float:
        return statistics.median(self.first_pushes_s) / statistics.median(self.first_pushes_alone_s)

    def row(self) -> tuple[str, ...]:
        return (
            f"{self.apps:,}",
            render(self.core_mb, "MB"),
            f"{self.core_cpu:.2f} %",
            f"{statistics.median(self.starts_s):.2f} s",
            f"{statistics.median(self.deploys_s):.2f} s",
            f"{self.deploy_factor:.2f} x",
            f"{self.first_push_factor:.2f} x",
            f"{statistics.median(self.wakes_ms):.0f} ms",
        )


HEADER = ("sleeping apps", "memory", "cpu at rest", "node start", "deploy", "against alone", "first push", "wake")


def measure_many_apps(scale: Scale) -> Section:
    sizes = [size for size in scale.apps if _has_room(size)]
    with LiveNode.running() as alone, LiveNode.running() as many:
        repositories = [push_app(node, name, flask_files("0")) for node, name in ((alone, FIRST), (many, FIRST))]
        last = push_app(many, LAST, flask_files("0"))
        grown: list[Growth] = []
        for size in sizes:
            known = len(many.layout.app_names())
            make_copies(many, FIRST, [copy_name(index) for index in range(known, size)])
            grown.append(_measure(many, last, alone, repositories[0], scale))
    return Section(
        "Apps that sleep",
        [
            "One app is pushed, the others are made from its slug by the steps of a deploy, without git, build and "
            "first run; each has its own folder, route, release and socket, and any visitor wakes it. Memory is the "
            "proportional set size of supervisord, holder and doorman. At rest: their processor time in "
            f"{_rest_s(scale, AIMED)} s ({SHORT_REST_S} s where they are not {AIMED:,}). Deploys are in turn with "
            "those of the only app of another node. Both have Caddy.",
            *(f"{size:,} apps were left out: too little memory or disk." for size in scale.apps if size not in sizes),
        ],
        _list_figures(grown),
        [Table(HEADER, [growth.row() for growth in grown])],
        plots={"growth.svg": _render_growth(grown)},
        data={"growth": [vars(growth) for growth in grown]},
    )


def _render_growth(grown: list[Growth]) -> str:
    return render_plot(
        "sleeping apps",
        [growth.apps for growth in grown],
        [
            Panel("memory: supervisord, holder, doorman", "MB", [Line("", [growth.core_mb for growth in grown])]),
            Panel("start of the node", "s", [Line("", [statistics.median(growth.starts_s) for growth in grown])]),
            Panel(
                "deploy of one more app",
                "s",
                [
                    Line("beside them", [statistics.median(growth.deploys_s) for growth in grown]),
                    Line("alone", [statistics.median(growth.deploys_alone_s) for growth in grown]),
                ],
            ),
        ],
    )


def _has_room(size: int) -> bool:
    memory = read_node_memory()
    return memory is None or memory.available_bytes > size * _MB_AN_APP * 1e6


def _rest_s(scale: Scale, size: int) -> int:
    if scale.is_quick:
        return 3
    return REST_S if size == AIMED else SHORT_REST_S


def _measure(many: LiveNode, last: Repository, alone: LiveNode, first: Repository, scale: Scale) -> Growth:
    size = len(many.layout.app_names())
    starts_s = [_restart(many) for _ in range(scale.count(STARTS))]
    deploys, deploys_alone = [], []
    for index in range(scale.count(DEPLOYS)):
        deploys += measure_code_pushes(many, last, 1, f"{size}-{index}")
        deploys_alone += measure_code_pushes(alone, first, 1, f"{size}-{index}")
    first_pushes: list[float] = []
    first_pushes_alone: list[float] = []
    for index in range(scale.count(FIRST_PUSHES)):
        for node, seconds in ((many, first_pushes), (alone, first_pushes_alone))[:: -1 if index % 2 else 1]:
            seconds.append(_push_new(node, size, index))
    wakes_ms = [measure_visit(many, copy_name(2 + index)) * 1000 for index in range(scale.count(WAKES))]
    _let_all_sleep(many)
    core_cpu, all_cpu = _measure_rest(many, _rest_s(scale, size))
    return Growth(
        size,
        read_mb(find_core(many.layout)),
        core_cpu,
        all_cpu,
        starts_s=starts_s,
        deploys_s=deploys,
        deploys_alone_s=deploys_alone,
        first_pushes_s=first_pushes,
        first_pushes_alone_s=first_pushes_alone,
        wakes_ms=wakes_ms,
    )


def _measure_rest(node: LiveNode, seconds: int) -> tuple[float, float]:
    """Percent of a core that supervisord, holder and doorman take, and that all of the node takes."""
    groups = (find_core(node.layout), find_all(node.layout))
    time.sleep(1)
    before = [read_cpu_s(pids) for pids in groups]
    time.sleep(seconds)
    core, everything = (100 * (read_cpu_s(pids) - then) / seconds for pids, then in zip(groups, before, strict=True))
    return core, everything


def _push_new(node: LiveNode, size: int, index: int) -> float:
    """A first push, until the app answers; it is destroyed again, so that the number of apps stays."""
    name = f"new-{size}-{chr(ord('a') + index) * 4}"
    repository = node.repository(name, flask_files("new"))
    began = time.monotonic()
    push(repository)
    took_s = node.wait_for(name, "code-new") - began
    said = node.ssh("apps:destroy", name, "--confirm", name)
    assert said.status == 0, said.all
    return took_s


def _restart(node: LiveNode) -> float:
    """Seconds of `node start`, everything asleep."""
    _let_all_sleep(node)
    assert node.stop().status == 0
    os.sync()
    began = time.monotonic()
    node.start()
    return time.monotonic() - began


def _let_all_sleep(node: LiveNode) -> None:
    doorman = DoormanClient(node.layout)
    for name, door in doorman.states().items():
        if door.state != "asleep":
            doorman.sleep(name)


def _list_figures(grown: list[Growth]) -> list[Figure]:
    """Those that have an aim, at the number of apps that it is about."""
    figures: list[Figure] = []
    for growth in grown:
        if growth.apps != AIMED:
            continue
        name = f"{growth.apps:,} sleeping apps: "
        figures += [
            Figure(f"{name}memory of doorman, holder, supervisord", [growth.core_mb], "MB", at_most(60)),
            Figure(f"{name}their cpu at rest", [growth.core_cpu], "%", at_most(0.5)),
            Figure(f"{name}cpu at rest of the whole node", [growth.all_cpu], "%", at_most(0.5)),
            Figure(f"{name}node start", growth.starts_s, "s", at_most(5)),
            Figure(f"{name}deploy of one more, against alone", [growth.deploy_factor], "x", at_most(1.1)),
            Figure(f"{name}first push of one more, against alone", [growth.first_push_factor], "x", at_most(1.1)),
        ]
    return figures
