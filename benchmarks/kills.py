"""What visitors notice when a process of the node is killed with -9: each of them in turn, 20 times.

One long traffic; each request belongs to the kill that went before it. A process that served requests takes those
inside with it. A request is counted as inside when it had been sent, and not answered, at the moment of the kill (or
a blink later, until the process is really gone); any other failure must not be.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.figure import Figure, at_most
from benchmarks.live_node import LiveNode
from benchmarks.load import Asked, Tally, Traffic
from benchmarks.node_processes import find_pid
from benchmarks.pushes import push_app
from benchmarks.sample_apps import flask_files
from benchmarks.scale import Scale
from benchmarks.section import Section
from benchmarks.table import Table
from benchmarks.traffic import APP, HEADER, RATE, describe, summarise
from deploy.process_memory import read_tree
from deploy.process_record import read_processes
from deploy.start_key import parse_program_name

TIMES = 20
SERVING = ("router", "router worker", "web program", "web worker")
"""They have requests inside."""
_BEFORE_NEXT_S = 1.0
_BETWEEN_CRASHES_S = 10.5
"""A program that lived so long is started again at once when it dies: see docs/node.md."""
_DYING_S = 0.02
_BACK_TIMEOUT_S = 15.0

Find = Callable[[LiveNode], int | None]


@dataclass
class Kill:
    """One kill -9; `at` is of the monotonic clock."""

    name: str
    at: float
    asked: list[Asked] = field(default_factory=list)

    def is_inside(self, asked: Asked) -> bool:
        return 0 < asked.sent <= self.at + _DYING_S and asked.ended >= self.at


def measure_kills(scale: Scale) -> Section:
    tallies: dict[str, Tally] = {}
    inside: dict[str, int] = {}
    failures: list[str] = []
    for router, names in (("nginx", NGINX), ("caddy", CADDY)):
        with LiveNode.running("--router", router) as node:
            push_app(node, APP, flask_files("0"))
            kills = _kill_in_turn(node, names, scale.count(TIMES, least=2))
        for name in names:
            _count(f"{name}, {router}", [kill for kill in kills if kill.name == name], tallies, inside, failures)
    header = (*HEADER[:3], "of them inside", *HEADER[3:])
    rows = [describe(name, tally) for name, tally in tallies.items()]
    return Section(
        f"kill -9, {RATE} requests a second",
        [
            f"Each process {scale.count(TIMES, least=2)} times, all of them in turn, while the same traffic goes on. A "
            "request that failed was inside the killed process when it had been sent, and not answered, at that moment "
            f"or up to {_DYING_S * 1000:.0f} ms later."
        ],
        [Figure("failed requests that were not inside", [len(failures)], "", at_most(0))],
        [Table(header, [(*row[:3], str(inside[row[0]]), *row[3:]) for row in rows])],
        failures=failures,
        data={name: {**summarise(tally), "inside": inside[name]} for name, tally in tallies.items()},
    )


def _count(
    name: str, kills: list[Kill], tallies: dict[str, Tally], inside: dict[str, int], failures: list[str]
) -> None:
    tallies[name] = Tally([asked for kill in kills for asked in kill.asked])
    serves = name.partition(",")[0] in SERVING
    failed = [(kill, asked) for kill in kills for asked in kill.asked if asked.failure]
    lost = [(kill, asked) for kill, asked in failed if not (serves and kill.is_inside(asked))]
    inside[name] = len(failed) - len(lost)
    failures += [
        f"{name} killed: {asked.failure}, sent {(asked.sent or asked.begun) - kill.at:+.3f} s, "
        f"ended {asked.ended - kill.at:+.3f} s after the kill"
        for kill, asked in lost
    ]


def _kill_in_turn(node: LiveNode, names: dict[str, Find], times: int) -> list[Kill]:
    kills: list[Kill] = []
    with Traffic(node.http_port, node.host(APP), RATE) as traffic:
        time.sleep(_BEFORE_NEXT_S)
        for _ in range(times):
            began = time.monotonic()
            for name, find in names.items():
                kills.append(Kill(name, _kill(node, name, find)))
                time.sleep(_BEFORE_NEXT_S)
            if "web program" in names:
                time.sleep(max(0.0, _BETWEEN_CRASHES_S - (time.monotonic() - began)))
        tally = traffic.stop()
    _assign(tally, kills)
    return kills


def _assign(tally: Tally, kills: list[Kill]) -> None:
    """To the last kill before it ended; those before the first kill to nobody."""
    for asked in tally.asked:
        before = [kill for kill in kills if kill.at <= asked.ended]
        if before:
            before[-1].asked.append(asked)


def _kill(node: LiveNode, name: str, find: Find) -> float:
    """Kill it and wait until another is there. Returns when."""
    pid = find(node)
    assert pid, f"there is no {name}"
    at = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    deadline = at + _BACK_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if find(node) not in (None, pid):
                return at
        time.sleep(0.02)
    raise AssertionError(f"the {name} that was killed has no successor after {_BACK_TIMEOUT_S:.0f} s")


def _program(name: str) -> Find:
    return lambda node: find_pid(node.layout, name)


def _web(node: LiveNode) -> int | None:
    """The newest start's: the gunicorn that supervisord knows."""
    alive = [record for record in read_processes(node.layout.pids) if record.is_alive]
    web = [record for record in alive if (p := parse_program_name(record.name)) and p[1] == "web.1"]
    return max(web, key=lambda record: record.start_time).pid if web else None


def _worker_of(leader: Find) -> Find:
    """The newest process below it, so that a successor is told from those that were there."""

    def find(node: LiveNode) -> int | None:
        pid = leader(node)
        below = read_tree(pid)[1:] if pid else []
        return max(below) if below else None

    return find


NODE = {name: _program(name) for name in ("supervisord", "holder", "doorman", "logger", "sessions", "door", "router")}
NGINX: dict[str, Find] = {
    **NODE,
    "router worker": _worker_of(_program("router")),
    "web program": _web,
    "web worker": _worker_of(_web),
}
CADDY: dict[str, Find] = {"router": NODE["router"]}
