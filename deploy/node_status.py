"""What runs of a node, and what of its apps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from deploy.app_settings import read_app_settings
from deploy.node_programs import list_node_programs
from deploy.supervisor import ProgramState, Supervisor
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.settings import NodeSettings, read_settings

STOPPED, UP, DOWN, NO_RELEASE = "stopped", "up", "down", "no release"


@dataclass(frozen=True)
class AppStatus:
    """One app, in a word: `up`, `down` (a process of it does not run), `stopped`, `no release`."""

    name: str
    release: int | None
    state: str
    url: str


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
    apps = tuple(_read_app(layout, settings, name, states) for name in layout.app_names())
    return NodeStatus(layout.root, settings, True, pid, own, apps)


def render_uptime(started_at: float) -> str:
    """`3 d`, `2 h`, `5 min`, `8 s` since then (seconds since 1970)."""
    seconds = max(0, int(time.time() - started_at))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _read_app(layout: Layout, settings: NodeSettings, name: str, states: dict[str, ProgramState]) -> AppStatus:
    app = layout.app(name)
    release = app.live_number()
    live = [state for program, state in states.items() if program.startswith(f"{name}.") and f".v{release}." in program]
    if release is None:
        word = NO_RELEASE
    elif read_app_settings(app).stopped:
        word = STOPPED
    else:
        word = UP if all(state.is_running for state in live) else DOWN
    return AppStatus(name, release, word, settings.url(name))
