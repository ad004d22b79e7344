"""What runs of a node, and what of its apps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.doorman_client import AppDoor, DoormanClient
from deploy.live_start import STOPPED, UNWELL
from deploy.node_programs import list_node_programs
from deploy.start_key import WEB, parse_program_name
from deploy.supervisor import STOPPING, ProgramState, Supervisor
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.settings import NodeSettings, read_settings

DOWN, NO_RELEASE, UNATTENDED = "down", "no release", "unattended"


@dataclass(frozen=True)
class AppStatus:
    """One app, in a word: `awake`, `asleep`, `waking`, `unwell` or `stopped` as the doorman sees it, `down` (a worker
    of it does not run), `no release`, `unattended` (the doorman knows nothing of it)."""

    name: str
    release: int | None
    state: str
    url: str
    why: str = ""
    """What is the matter with it."""


@dataclass(frozen=True)
class NodeStatus:
    """A node as it is now. Without supervisord nothing of it counts as running."""

    root: Path
    settings: NodeSettings
    is_running: bool
    pid: int | None
    """supervisord's."""
    programs: dict[str, ProgramState]
    """The node's own and its services', by name."""
    apps: tuple[AppStatus, ...]


def read_status(layout: Layout) -> NodeStatus:
    """Ask supervisord and look at the disk."""
    settings = read_settings(layout.node_toml)
    supervisor = Supervisor(layout)
    try:
        states, pid = supervisor.states(), supervisor.read_pid()
    except ToppcloudError:
        return NodeStatus(layout.root, settings, False, None, {}, ())
    names = [program.name for program in list_node_programs(layout)]
    own = {name: states[name] for name in names if name in states}
    own |= {name: state for name, state in states.items() if "." not in name}
    doors = read_doors(layout)
    apps = tuple(_read_app(layout, settings, name, states, doors) for name in layout.app_names())
    return NodeStatus(layout.root, settings, True, pid, own, apps)


def render_uptime(started_at: float) -> str:
    """`3 d`, `2 h`, `5 min`, `8 s` since then (seconds since 1970)."""
    seconds = max(0, int(time.time() - started_at))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def read_doors(layout: Layout) -> dict[str, AppDoor]:
    """What the doorman knows of each app; nothing when it does not answer."""
    with contextlib.suppress(ToppcloudError):
        return DoormanClient(layout, patience_s=0.0).states()
    return {}


def _read_app(
    layout: Layout,
    settings: NodeSettings,
    name: str,
    states: Mapping[str, ProgramState],
    doors: Mapping[str, AppDoor],
) -> AppStatus:
    release = layout.app(name).live_number()
    state, why = choose_app_state(release, doors.get(name), _find_down(name, release, states))
    return AppStatus(name, release, state, settings.url(name), why)


def choose_app_state(release: int | None, door: AppDoor | None, down: str) -> tuple[str, str]:
    """One word for an app and what is the matter; `down` names a worker that should run and does not."""
    if release is None:
        return NO_RELEASE, ""
    if door is None:
        return UNATTENDED, "the doorman knows nothing of it"
    if door.state in (STOPPED, UNWELL):
        return door.state, door.why
    return (DOWN, f"{down} does not run") if down else (door.state, "")


def _find_down(name: str, release: int | None, states: Mapping[str, ProgramState]) -> str:
    for program, state in states.items():
        parsed = parse_program_name(program)
        if parsed and parsed[0].app == name and parsed[0].release == release and not state.is_running:
            process_type = parsed[1].split(".", 1)[0]
            if process_type != WEB and state.state != STOPPING:
                return parsed[1]
    return ""
