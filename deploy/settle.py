"""After ACTIVATE: let what runs follow what is live. Looks only at the disk and at supervisord, so it may run twice.

Workers never overlap with their successors: per type the old are stopped and reaped, then the new started.
The old web processes are handed to the doorman, which drains them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from deploy.app_settings import read_app_settings
from deploy.doorman_client import DoormanClient
from deploy.release import Release, mark_live, read_live_release
from deploy.start import WEB, choose_formation, find_live_start, program_name
from deploy.start_key import StartKey, parse_program_name
from deploy.supervisor import Supervisor
from toppcloud.app_layout import AppLayout, ReleaseLayout, StartLayout
from toppcloud.console import Console
from toppcloud.node import Node
from toppcloud.slug import read_slug

_ENDED = frozenset({"STOPPED", "EXITED", "FATAL"})
_POLL_S = 0.05


@dataclass(frozen=True)
class RunningProgram:
    """A program that supervisord knows, by the parts of its name."""

    name: str
    process: str
    key: StartKey

    @property
    def process_type(self) -> str:
        return self.process.split(".", 1)[0]


def parse_program(name: str) -> RunningProgram | None:
    """`blog.web.1.relay.v12.2` by its parts; None for a program of the node itself."""
    parsed = parse_program_name(name)
    return RunningProgram(name, parsed[1], parsed[0]) if parsed else None


def settle(node: Node, app: AppLayout, console: Console, *, is_up: bool = False) -> None:
    """Stop what is not of the live start, start what is missing of it. `is_up`: its web was just seen to answer."""
    release = read_live_release(app)
    if release is None:
        return
    layout = app.release(release.version)
    mark_live(layout)
    start = find_live_start(layout)
    if start is None:
        return
    live = StartKey(app.name, release.version, start.number)
    DoormanClient(node.layout).attend(live.app, live.release, live.start, is_up=is_up)
    states = Supervisor(node.layout).states(prefix=f"{app.name}.")
    known = [program for name in states if (program := parse_program(name))]
    _settle_workers(node, app, release, start, known, console)
    retire_starts(node, app, live, {program.key for program in known if program.process_type == WEB})


def retire_starts(node: Node, app: AppLayout, live: StartKey, running: set[StartKey]) -> None:
    """Hand each start that is not the live one to the doorman: drain, stop, forget."""
    doorman = DoormanClient(node.layout)
    for key in sorted({*_starts_on_disk(app), *running}, key=lambda key: (key.release, key.start)):
        if key != live:
            doorman.retire(key.app, key.release, key.start)


def wanted_workers(
    app: AppLayout, release: Release, start: StartLayout, formation: dict[str, int], *, is_stopped: bool
) -> dict[str, list[str]]:
    """Names of the worker programs that should run, by process type: {"worker": ["blog.worker.1.v12.2"]}."""
    return {
        process_type: []
        if is_stopped
        else [
            program_name(app, f"{process_type}.{index}", release.version, start.number) for index in range(1, count + 1)
        ]
        for process_type, count in formation.items()
        if process_type != WEB
    }


def _settle_workers(
    node: Node, app: AppLayout, release: Release, start: StartLayout, known: list[RunningProgram], console: Console
) -> None:
    settings = read_app_settings(app)
    wanted = wanted_workers(app, release, start, choose_formation(release, settings), is_stopped=settings.stopped)
    keep = {name for names in wanted.values() for name in names}
    leaving: dict[str, list[str]] = {}
    for program in known:
        if program.process_type != WEB and program.name not in keep:
            leaving.setdefault(program.process_type, []).append(program.name)
    resting = _read_sleeping_types(app, release) if start.asleep.exists() else ()
    supervisor = Supervisor(node.layout)
    for names in leaving.values():
        for name in names:
            supervisor.stop(name, wait=False)
    for process_type in sorted({*wanted, *leaving}, key=lambda name: len(leaving.get(name, []))):
        _reap(supervisor, leaving.get(process_type, []))
        names = [] if process_type in resting else wanted.get(process_type, [])
        missing = [name for name in names if name not in {program.name for program in known}]
        for name in missing:
            process = name.removeprefix(f"{app.name}.").removesuffix(f".v{release.version}.{start.number}")
            supervisor.add(start.program(process))
            supervisor.start(name)
        if missing or leaving.get(process_type):
            console.step(f"{process_type}: {len(wanted.get(process_type, []))} running")


def _read_sleeping_types(app: AppLayout, release: Release) -> tuple[str, ...]:
    """The workers that wake with web, and not before."""
    slug = read_slug(app.slug(release.slug))
    return slug.web.sleeps_with if slug else ()


def _reap(supervisor: Supervisor, names: list[str]) -> None:
    """Wait until each has ended (supervisord kills after its own limit), then forget it."""
    for name in names:
        while (state := supervisor.state(name)) is not None and state.state not in _ENDED:
            time.sleep(_POLL_S)
        supervisor.remove(name)


def _starts_on_disk(app: AppLayout) -> list[StartKey]:
    return [
        StartKey(app.name, number, start)
        for number in app.release_numbers()
        for start in _start_numbers(app.release(number))
    ]


def _start_numbers(release: ReleaseLayout) -> list[int]:
    if not release.went_live.exists() or not release.starts.is_dir():
        return []
    return [int(path.name) for path in release.starts.iterdir() if path.name.isdigit()]
