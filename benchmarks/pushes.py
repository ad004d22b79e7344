"""How long people wait, next to the floor that this machine allows.

The floor of a push is the same front door with a push that deploys nothing (a tag with one new commit), plus the
app's own start (gunicorn run by hand on the same code and virtualenv until it answers).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.figure import Figure, at_most, render_factor
from benchmarks.hand_made import OwnApp, find_app
from benchmarks.live_node import LiveNode, Repository
from benchmarks.sample_apps import flask_files, flask_source
from benchmarks.scale import Scale
from benchmarks.section import Section
from deploy.release import require_live_release

REPETITIONS = 15
APP = "bench"


def measure_pushes(scale: Scale) -> Section:
    with LiveNode.running() as node:
        return _measure(node, scale.count(REPETITIONS))


def push(repository: Repository) -> None:
    said = repository.push()
    assert said.status == 0, said.all


def push_app(node: LiveNode, name: str, files: dict[str, str]) -> Repository:
    """A new app that answers."""
    repository = node.repository(name, files)
    push(repository)
    return repository


def _measure(node: LiveNode, count: int) -> Section:
    first_pushes = _measure_first_pushes(node)
    repository = push_app(node, APP, flask_files("0"))
    node.wait_for(APP, "code-0 ")
    bare = _measure_bare_pushes(repository, count)
    start = _measure_starts(find_app(node, APP), count)
    command, round_trip = _measure_commands(node, count)
    pushes = measure_code_pushes(node, repository, count)
    config = _measure_config(node, count)
    rollbacks = _measure_rollbacks(node, count)
    floor_s = statistics.median(bare) + statistics.median(start)
    return Section(
        "How long people wait",
        [
            f"The floor of a push, {floor_s:.2f} s: the same front door with a tag that deploys nothing, and the app's "
            "own start by hand. Visible: a request through the router sees the change, asked every 10 ms."
        ],
        [
            Figure("ssh round trip that does nothing (greeting)", round_trip),
            _beside("management command (config --json)", command, statistics.median(round_trip), "round trip"),
            Figure("management command against the round trip", [_ratio(command, round_trip)], "x", at_most(3)),
            Figure("floor: push of a tag, nothing deployed", bare),
            Figure("floor: gunicorn by hand until it answers", start),
            Figure("code-only push until visible", pushes, "s", at_most(0.8)),
            Figure("code-only push against the floor", [statistics.median(pushes) / floor_s], "x", at_most(2)),
            Figure("config:set until visible", config, "s", at_most(0.5)),
            Figure("rollback until visible", rollbacks, "s", at_most(0.5)),
            Figure("first push of an app, warm caches", first_pushes, "s", at_most(2.5)),
        ],
    )


def _beside(name: str, seconds: list[float], base_s: float, base: str) -> Figure:
    return Figure(name, seconds, beside=f"{render_factor(statistics.median(seconds), base_s)} {base}")


def _ratio(seconds: list[float], base: list[float]) -> float:
    return statistics.median(seconds) / statistics.median(base)


def _measure_first_pushes(node: LiveNode) -> list[float]:
    """The first warms uv's cache and is not counted."""
    seconds = []
    for index in range(6):
        repository = node.repository(f"first{index}{'abcdef'[index] * 3}", flask_files("first"))
        began = time.monotonic()
        push(repository)
        seconds.append(node.wait_for(repository.app, "code-first") - began)
    return seconds[1:]


def _measure_bare_pushes(repository: Repository, count: int) -> list[float]:
    """One new commit, on a tag: received, checked and stored like any other, and not deployed."""
    seconds = []
    for index in range(count):
        repository.commit("Tagged", flask_source(f"tag-{index}"))
        repository.git("tag", f"t{index}")
        began = time.monotonic()
        said = repository.push("-q", "toppcloud", f"t{index}")
        seconds.append(time.monotonic() - began)
        assert said.status == 0, said.all
    return seconds


def _measure_starts(app: OwnApp, count: int) -> list[float]:
    return [app.measure_start() for _ in range(count)]


def _measure_commands(node: LiveNode, count: int) -> tuple[list[float], list[float]]:
    """A management command, and the same ssh with a session that only greets."""

    def seconds_of(*words: str) -> float:
        began = time.monotonic()
        said = node.ssh(*words) if words else node.run(node.ssh_words())
        assert said.status == 0, said.all
        return time.monotonic() - began

    pairs = [(seconds_of("config", "--json", "-a", APP), seconds_of()) for _ in range(count)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def measure_code_pushes(node: LiveNode, repository: Repository, count: int, label: str = "pushed") -> list[float]:
    """Seconds from `git push` until a request sees the new code."""

    def change(index: int) -> str:
        repository.commit("Changed", flask_source(f"{label}-{index}"))
        return f"code-{label}-{index} "

    return _measure_changes(node, repository.app, count, change, lambda _: push(repository))


def _measure_config(node: LiveNode, count: int) -> list[float]:
    def set_mark(index: int) -> None:
        said = node.ssh("config:set", f"MARK=c{index}", "-a", APP)
        assert said.status == 0, said.all

    return _measure_changes(node, APP, count, lambda index: f"config-c{index};", set_mark)


def _measure_rollbacks(node: LiveNode, count: int) -> list[float]:
    """To and fro between two releases with different config."""
    live = require_live_release(node.layout.app(APP)).version

    def roll_back(index: int) -> None:
        said = node.ssh("rollback", f"v{live - (index + 1) % 2 - 1}", "-a", APP, "--leave-files")
        assert said.status == 0, said.all

    marks = [f"config-c{count - 3};", f"config-c{count - 2};"]
    return _measure_changes(node, APP, min(count, 8), lambda index: marks[index % 2], roll_back)


def _measure_changes(
    node: LiveNode, app: str, count: int, prepare: Callable[[int], str], change: Callable[[int], None]
) -> list[float]:
    """Seconds from typing the command until a request sees the change; asked from another process meanwhile."""
    seconds = []
    for index in range(count):
        text = prepare(index)
        watcher = subprocess.Popen(
            [sys.executable, "-S", "-c", _WATCHER, str(node.http_port), node.host(app), text],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "watching\n"
        began = time.monotonic()
        change(index)
        out, _ = watcher.communicate(timeout=60)
        seconds.append(float(out) - began)
    return seconds


_WATCHER = """
import http.client, sys, time
port, host, text = int(sys.argv[1]), sys.argv[2], sys.argv[3]
print("watching", flush=True)
while True:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/", headers={"Host": host})
    if text in connection.getresponse().read().decode():
        print(time.monotonic())
        break
    connection.close()
    time.sleep(0.01)
"""
