"""What visitors notice while things change: deploys, restarts, sleeps, at 200 requests a second."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figure import Figure, at_most, render
from benchmarks.hand_made import HandMade, find_app
from benchmarks.live_node import LiveNode, Repository
from benchmarks.load import Tally, Traffic
from benchmarks.pushes import push, push_app
from benchmarks.sample_apps import flask_files, flask_source
from benchmarks.scale import Scale
from benchmarks.section import Section
from benchmarks.table import Table
from deploy.doorman_client import DoormanClient
from deploy.release import require_live_release

RATE = 200
SLOW_S = 0.1
APP = "bench"
HEADER = ("while", "requests", "failed", "median", "p99", "longest", "over 100 ms")
_LAST_WORDS_S = 1.5
_PAUSE_S = 0.2
_RELOAD_S = 1.0


@dataclass(frozen=True)
class Happening:
    """Something that is done again and again to an app with visitors."""

    name: str
    count: int
    act: Callable[[int], None]


def measure_traffic(scale: Scale) -> Section:
    tallies: dict[str, Tally] = {}
    with LiveNode.running("--router", "nginx") as node:
        repository = push_app(node, APP, flask_files("0"))
        nginx = [
            Happening("deploys", scale.count(100), _deploy(repository)),
            Happening("restarts", scale.count(100), _restart(node)),
            Happening("sleeps", scale.count(50), _sleep(node)),
        ]
        tallies |= _measure(node.http_port, node.host(APP), "nginx", nginx)
        rival = _measure_rival(node, scale.count(20))
    with LiveNode.running("--router", "caddy") as node:
        repository = push_app(node, APP, flask_files("0"))
        caddy = [
            Happening("deploys", scale.count(20), _deploy(repository)),
            Happening("config changes", scale.count(20), _configure(node)),
            Happening("rollbacks", scale.count(10), _roll_back(node)),
        ]
        tallies |= _measure(node.http_port, node.host(APP), "caddy", caddy)
    deploys = next(iter(tallies.values()))
    failed = sum(len(tally.failures) for tally in tallies.values())
    return Section(
        f"Visitors, {RATE} requests a second",
        [
            "GET and POST in turn, each on fresh and on kept-alive connections, each at its own moment whatever became "
            "of those before; the wait counts from that moment. A sleep ends the web processes between two requests; "
            "the next one wakes them. The rival's deploy: kill -HUP of a gunicorn that was set up by hand behind nginx."
        ],
        [
            Figure("failed requests, all but the rival's", [failed], "", at_most(0)),
            Figure(f"longest wait in {next(iter(tallies))}", [max(deploys.waits_s) * 1000], "ms", at_most(100)),
            Figure("how late the load generator itself was at most", [_latest_ms(deploys)], "ms"),
        ],
        [Table(HEADER, [describe(name, tally) for name, tally in {**tallies, **rival}.items()])],
        failures=[f"{name}: {failure}" for name, tally in tallies.items() for failure in tally.failures],
        data={name: summarise(tally) for name, tally in {**tallies, **rival}.items()},
    )


def describe(name: str, tally: Tally) -> tuple[str, ...]:
    waits = sorted(tally.waits_s)
    times = (statistics.median(waits), waits[int(len(waits) * 0.99)], waits[-1])
    slow = sum(wait > SLOW_S for wait in waits)
    return (
        name,
        render(tally.requests, ""),
        str(len(tally.failures)),
        *(f"{time_s * 1000:.0f} ms" for time_s in times),
        render(slow, ""),
    )


def summarise(tally: Tally) -> dict[str, object]:
    """`slow`: those that waited more than 100 ms, by the seconds since it began at which they were due."""
    began = tally.asked[0].due
    slow = [(round(one.due - began, 3), round(one.wait_s, 3)) for one in tally.asked if one.wait_s > SLOW_S]
    return {
        "requests": tally.requests,
        "failed": len(tally.failures),
        "longest_s": max(tally.waits_s),
        "median_s": statistics.median(tally.waits_s),
        "slow": slow,
    }


def _measure(port: int, host: str, router: str, happenings: list[Happening]) -> dict[str, Tally]:
    tallies = {}
    for happening in happenings:
        with Traffic(port, host, RATE) as traffic:
            for index in range(happening.count):
                happening.act(index)
            time.sleep(_LAST_WORDS_S)
            tallies[f"{happening.count} {happening.name}, {router}"] = traffic.stop()
    return tallies


def _measure_rival(node: LiveNode, count: int) -> dict[str, Tally]:
    with HandMade.in_new_folder() as by_hand:
        gunicorn = by_hand.start_gunicorn(find_app(node, APP))
        port = by_hand.start_nginx({"app": f"unix:{by_hand.folder}/app.sock"})["app"]

        def reload(_: int) -> None:
            gunicorn.send_signal(signal.SIGHUP)
            time.sleep(_RELOAD_S)

        return _measure(port, node.host(APP), "hand-made nginx", [Happening("reloads", count, reload)])


def _deploy(repository: Repository) -> Callable[[int], None]:
    def deploy(index: int) -> None:
        repository.commit("Changed", flask_source(f"traffic-{index}"))
        push(repository)

    return deploy


def _restart(node: LiveNode) -> Callable[[int], None]:
    def restart(_: int) -> None:
        _say(node, "ps:restart", "-a", APP)

    return restart


def _sleep(node: LiveNode) -> Callable[[int], None]:
    """Each one is a real one: it begins when the app is awake."""

    def sleep(_: int) -> None:
        while DoormanClient(node.layout).states()[APP].state != "awake":
            time.sleep(_PAUSE_S / 10)
        time.sleep(_PAUSE_S)
        _say(node, "ps:sleep", "-a", APP)

    return sleep


def _configure(node: LiveNode) -> Callable[[int], None]:
    def configure(index: int) -> None:
        _say(node, "config:set", f"MARK=t{index}", "-a", APP)

    return configure


def _roll_back(node: LiveNode) -> Callable[[int], None]:
    def roll_back(_: int) -> None:
        live = require_live_release(node.layout.app(APP)).version
        _say(node, "rollback", f"v{live - 1}", "-a", APP)

    return roll_back


def _say(node: LiveNode, *words: str) -> None:
    said = node.ssh(*words)
    assert said.status == 0, said.all


def _latest_ms(tally: Tally) -> float:
    """How much later than it was due a request was begun: what of the waits is not the node's."""
    return max((one.begun - one.due for one in tally.asked), default=0.0) * 1000
