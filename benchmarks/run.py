"""`make bench`: what this machine, its node and a rival set up by hand do, measured in one run.

`make bench ONLY=traffic,wake` runs parts of it, `QUICK=1` a tenth of each to see that it works, `MINUTES=10` visits for
longer, `APPS=10,100` other numbers of sleeping apps, `BENCH_IN=/mnt/disk` nodes in that folder and not in /tmp. Each
part starts nodes of its own and removes them. The status is 1 when a request failed that must not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable

from benchmarks.conditions import read_conditions, render_load
from benchmarks.disk_use import measure_disk_use
from benchmarks.kills import measure_kills
from benchmarks.large_pushes import measure_large_pushes
from benchmarks.many_apps import measure_many_apps
from benchmarks.pushes import measure_pushes
from benchmarks.relay import measure_relay
from benchmarks.report import print_section, print_summary, write_report
from benchmarks.scale import Scale
from benchmarks.section import Missing, Section
from benchmarks.throughput import measure_throughput
from benchmarks.traffic import measure_traffic
from benchmarks.virtualenvs import measure_virtualenvs
from benchmarks.visits import measure_visits
from benchmarks.wake import measure_wake

PARTS: dict[str, Callable[[Scale], Section]] = {
    "pushes": measure_pushes,
    "builds": measure_virtualenvs,
    "large": measure_large_pushes,
    "disk": measure_disk_use,
    "traffic": measure_traffic,
    "kills": measure_kills,
    "throughput": measure_throughput,
    "wake": measure_wake,
    "relay": measure_relay,
    "apps": measure_many_apps,
    "visits": measure_visits,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", default="", help=f"parts, with commas between: {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=Scale.minutes)
    parser.add_argument("--apps", default=",".join(str(size) for size in Scale.apps))
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name] or list(PARTS)
    for name in names:
        if name not in PARTS:
            parser.error(f"there is no part '{name}': {', '.join(PARTS)}")
    scale = Scale(options.quick, options.minutes, tuple(int(size) for size in options.apps.split(",")))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return measure(names, scale)


def measure(names: list[str], scale: Scale) -> int:
    """All parts in turn; what was measured is kept after each."""
    conditions = read_conditions()
    for name, value in conditions.items():
        print(f"{name:<12} {value}")
    sections: dict[str, Section] = {}
    for name in names:
        began = time.monotonic()
        try:
            sections[name] = PARTS[name](scale)
        except Missing as missing:
            sections[name] = Section(name, [f"Not measured: {missing}."])
        except Exception as error:
            traceback.print_exc()
            sections[name] = Section(name, failures=[f"{name} broke off: {type(error).__name__}: {error}"])
        sections[name].notes.append(
            f"Took {time.monotonic() - began:.0f} s; load of the machine after it {render_load()}."
        )
        print_section(sections[name])
        sys.stdout.flush()
    print_summary(sections)
    write_report(conditions, sections)
    return 1 if any(section.failures for section in sections.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
