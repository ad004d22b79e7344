"""What the first visitor of a sleeping app waits, beyond the app's own start."""

from __future__ import annotations

import statistics
import time

from benchmarks.figure import Figure, at_most, render
from benchmarks.hand_made import OwnApp, find_app
from benchmarks.live_node import LiveNode
from benchmarks.pushes import push_app
from benchmarks.sample_apps import flask_files
from benchmarks.scale import Scale
from benchmarks.section import Section

REPETITIONS = 25
PAUSE_S = 0.5
"""So that the second worker of the one does not begin at the cost of the other."""
APP = "bench"


def measure_wake(scale: Scale) -> Section:
    with LiveNode.running("--router", "nginx") as node:
        push_app(node, APP, flask_files("0"))
        own = find_app(node, APP)
        pairs = [_measure_both(node, own) for _ in range(scale.count(REPETITIONS))]
    visits = [pair[0] * 1000 for pair in pairs]
    starts = [pair[1] * 1000 for pair in pairs]
    return Section(
        "Waking",
        [
            "The first request to a sleeping app, through nginx, until it is answered; in turn with gunicorn started "
            "by hand on a socket in which a request waits already: the app's own start."
        ],
        [
            Figure("first visit", visits, "ms", beside=f"own start {render(statistics.median(starts), 'ms')}"),
            Figure(
                "beyond its own start",
                [visit - start for visit, start in zip(visits, starts, strict=True)],
                "ms",
                at_most(50),
            ),
        ],
    )


def _measure_both(node: LiveNode, own: OwnApp) -> tuple[float, float]:
    visit_s = measure_visit(node)
    time.sleep(PAUSE_S)
    start_s = own.measure_start()
    time.sleep(PAUSE_S)
    return visit_s, start_s


def measure_visit(node: LiveNode, app: str = APP) -> float:
    said = node.ssh("ps:sleep", "-a", app)
    assert said.status == 0, said.all
    began = time.monotonic()
    answer = node.request(app)
    assert answer.status == 200, answer
    return time.monotonic() - began
