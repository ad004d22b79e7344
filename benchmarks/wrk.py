"""As many requests as will go through, by wrk. Source: its README, `--latency`."""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figure import Aim, Figure, render
from benchmarks.hand_made import require_program

CONNECTIONS = 20
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Pace:
    """One run of wrk."""

    per_s: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Target:
    """What wrk asks, and for which app."""

    port: int
    host: str


def run_wrk(target: Target, seconds: int) -> Pace:
    """From one thread over 20 kept-alive connections."""
    program = require_program("wrk")
    argv = [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-H", f"Host: {target.host}"]
    done = subprocess.run([*argv, f"http://127.0.0.1:{target.port}/"], capture_output=True, text=True, check=True)
    return parse_wrk(done.stdout)


def parse_wrk(text: str) -> Pace:
    """`Requests/sec: 4459.12`, `  99%   12.34ms`, `Non-2xx or 3xx responses: 5`, `Socket errors: connect 0, ...`"""
    p99 = re.search(r"^ +99% +([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    rate = re.search(r"^Requests/sec: +([\d.]+)$", text, re.MULTILINE)
    assert p99, text
    assert rate, text
    failed = [int(number) for number in re.findall(r"^ +Non-2xx or 3xx responses: (\d+)$", text, re.MULTILINE)]
    for line in re.findall(r"^ +Socket errors: (.+)$", text, re.MULTILINE):
        failed += [int(number) for number in re.findall(r"\d+", line)]
    return Pace(float(rate[1]), float(p99[1]) * _UNITS_MS[p99[2]], sum(failed))


def run_in_turn(targets: Mapping[str, Target], repetitions: int, seconds: int) -> dict[str, list[Pace]]:
    """Each target once, then each again, backwards every other time, so that noise and habit hit all alike."""
    paces: dict[str, list[Pace]] = {name: [] for name in targets}
    for target in targets.values():
        run_wrk(target, 1)
    for round_ in range(repetitions):
        for name in list(targets)[:: -1 if round_ % 2 else 1]:
            paces[name].append(run_wrk(targets[name], seconds))
    return paces


def compare(
    name: str, ours: Sequence[Pace], rival: Sequence[Pace], beside: str, rate: Aim | None, p99: Aim | None
) -> list[Figure]:
    """Requests a second and p99, and how many times the rival's they are, round by round."""
    rival_rate = statistics.median(pace.per_s for pace in rival)
    rival_p99 = statistics.median(pace.p99_ms for pace in rival)
    pairs = list(zip(ours, rival, strict=True))
    return [
        Figure(f"{name}: requests", [p.per_s for p in ours], "/s", beside=f"{beside} {render(rival_rate, '/s')}"),
        Figure(f"{name}: times {beside}", [a.per_s / b.per_s for a, b in pairs], "x", rate),
        Figure(f"{name}: p99", [p.p99_ms for p in ours], "ms", beside=f"{beside} {render(rival_p99, 'ms')}"),
        Figure(f"{name}: p99, times {beside}", [a.p99_ms / b.p99_ms for a, b in pairs], "x", p99),
    ]


def list_failed(paces: Mapping[str, Sequence[Pace]]) -> list[str]:
    return [f"{name}: {failed} failed" for name, all_ in paces.items() if (failed := sum(p.failed for p in all_))]
