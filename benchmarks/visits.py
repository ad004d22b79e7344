"""100 apps, visited at random, each asleep after a minute without a visit: how much memory that saves.

On the real clock: 0.3 requests a second over all apps, idle 60 s. After the first minutes as many apps are awake as
ever will be, so measuring longer makes the figure steadier and not smaller.
"""

from __future__ import annotations

import random
import statistics
import threading
import time

from benchmarks.app_copies import copy_name, make_copies
from benchmarks.figure import Figure, at_most, render
from benchmarks.live_node import LiveNode
from benchmarks.node_processes import find_all, read_mb
from benchmarks.pushes import push_app
from benchmarks.sample_apps import flask_files
from benchmarks.scale import Scale
from benchmarks.section import Section
from deploy.doorman_client import DoormanClient

APPS = 100
RATE = 0.3
IDLE_S = 60.0
MODEL = "model"
_SEED = 3
_LOOK_S = 2.0
_SETTLED_IDLES = 1.25
"""After so many idle times as many apps fall asleep as wake."""


def measure_visits(scale: Scale) -> Section:
    idle_s, rate = (2.0, 5.0) if scale.is_quick else (IDLE_S, RATE)
    seconds = 8.0 if scale.is_quick else scale.minutes * 60
    names = [copy_name(index) for index in range(APPS)]
    with LiveNode.running("--router", "nginx") as node:
        push_app(node, MODEL, flask_files("0"))
        make_copies(node, MODEL, names)
        DoormanClient(node.layout).sleep(MODEL)
        asleep_mb = read_mb(find_all(node.layout))
        awake_mb = _measure_all_awake(node, names)
        for name in names:
            _say(node, "ps:idle", f"{idle_s:.0f}s", "-a", name)
            DoormanClient(node.layout).sleep(name)
        samples, failures = _visit(node, names, rate, seconds, settled_s=idle_s * _SETTLED_IDLES)
    memory = [sample[0] for sample in samples]
    return Section(
        f"{APPS} apps visited at random",
        [
            f"{rate:g} requests a second in all, {seconds / 60:.3g} min on the real clock, of which the first "
            f"{idle_s * _SETTLED_IDLES:.0f} s do not count; idle {idle_s:.0f} s. Memory is the proportional set size "
            "of all processes of the node, router and front door too, every 2 s; all awake: once, right after each app "
            "was visited. The apps share a virtualenv, so that pages of it count once either way."
        ],
        [
            Figure("apps awake", [sample[1] for sample in samples], "", beside=f"of {APPS}"),
            Figure("memory", memory, "MB", beside=f"all awake {render(awake_mb, 'MB')}"),
            Figure("memory against all awake", [statistics.mean(memory) / awake_mb], "x", at_most(0.3)),
            Figure("memory with all asleep", [asleep_mb], "MB"),
        ],
        failures=failures,
        data={"samples": samples, "awake_mb": awake_mb},
    )


def _measure_all_awake(node: LiveNode, names: list[str]) -> float:
    for name in names:
        _say(node, "ps:idle", "never", "-a", name)
        assert node.request(name).status == 200
    awake_mb = read_mb(find_all(node.layout))
    assert all(DoormanClient(node.layout).states()[name].state == "awake" for name in names)
    return awake_mb


def _visit(
    node: LiveNode, names: list[str], rate: float, seconds: float, *, settled_s: float
) -> tuple[list[tuple[float, int]], list[str]]:
    """(MB, apps awake) every 2 s once it has settled; and which visits failed."""
    chance = random.Random(_SEED)
    failures: list[str] = []
    visitors: list[threading.Thread] = []

    def visit(name: str) -> None:
        answer = node.request(name)
        if answer.status != 200:
            failures.append(f"a visit of {name}: {answer.status}")

    samples = []
    began = time.monotonic()
    next_visit, next_look = began, began + settled_s
    while (now := time.monotonic()) < began + seconds:
        if now >= next_visit:
            visitors.append(threading.Thread(target=visit, args=(chance.choice(names),)))
            visitors[-1].start()
            next_visit += chance.expovariate(rate)
        if now >= next_look:
            states = DoormanClient(node.layout).states().values()
            awake = sum(door.state not in ("asleep", "stopped") for door in states)
            samples.append((read_mb(find_all(node.layout)), awake))
            next_look += _LOOK_S
        time.sleep(max(0.0, min(next_visit, next_look) - time.monotonic()))
    for visitor in visitors:
        visitor.join()
    return samples, failures


def _say(node: LiveNode, *words: str) -> None:
    said = node.ssh(*words)
    assert said.status == 0, said.all
