"""The start that serves an app now, as the doorman knows it, and what the disk says of how it is to be treated."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.answers import NOT_FOUND, read_unavailable
from deploy.app_settings import read_app_settings
from deploy.release import read_release
from deploy.sleep import Sleeper
from deploy.start_key import WEB, StartKey
from toppcloud.app_layout import StartLayout
from toppcloud.idle import choose_idle
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.slug import Web, read_slug

AWAKE, ASLEEP, WAKING, UNWELL = "awake", "asleep", "waking", "unwell"
STOPPED, STATIC, NO_WEB = "stopped", "static", "no web"
SPOKEN_FOR = frozenset({STOPPED, STATIC, NO_WEB})
"""There is no program to serve visitors: a person stopped it, or the release has none. The doorman answers."""


@dataclass(frozen=True)
class Habits:
    """What does not change while a start lives."""

    web: Web
    boot_limit_s: float
    workers: tuple[str, ...]
    """Process types beside web that do not sleep with it."""


@dataclass(eq=False)
class LiveStart:
    """One app's live start. Times are seconds since 1970."""

    key: StartKey
    listener: socket.socket
    sleeper: Sleeper
    habits: Habits
    state: str = WAKING
    why: str = ""
    since: float = field(default_factory=time.time)
    idle_since: float = field(default_factory=time.time)
    """The last visit, or when it came up."""
    next_try: float = 0.0
    probe: socket.socket | None = None
    """A connection of our own, to see when it is accepted."""
    is_listening: bool = False
    """The doorman's loop watches the listener."""
    is_half_asleep: bool = False
    """A doorman before us died while it fell asleep or was waked."""
    is_queued: bool = False
    """It waits for its turn to be waked."""
    is_asked: bool = False
    """supervisord is being asked about it."""
    after_rise: list[Callable[[], None]] = field(default_factory=list)
    """What waits until it is up, or will not be."""

    @property
    def start(self) -> StartLayout:
        return self.sleeper.start

    def become(self, state: str, why: str = "") -> None:
        if state != self.state:
            self.since = time.time()
        self.state, self.why = state, why


def read_habits(node: Node, key: StartKey) -> Habits:
    """From the release's record and its slug; defaults where they cannot be had."""
    app = node.layout.app(key.app)
    layout = key.release_layout(node.layout)
    release = read_release(layout)
    slug = read_slug(app.slug(release.slug)) if release else None
    web = slug.web if slug else Web()
    return Habits(
        web=web,
        boot_limit_s=(slug.check.timeout_s if slug else None) or node.settings.boot_timeout_s,
        workers=tuple(name for name in (release.processes if release else ()) if name not in (WEB, *web.sleeps_with)),
    )


def name_silence(node: Node, live: LiveStart) -> str:
    """Why the doorman answers for it: STOPPED, STATIC or NO_WEB."""
    if read_app_settings(node.layout.app(live.key.app)).stopped:
        return STOPPED
    return STATIC if read_unavailable(live.start) == NOT_FOUND else NO_WEB


def find_wakeful_worker(node: Node, live: LiveStart) -> str | None:
    """A process type that runs beside web and does not sleep with it, so that web does not sleep either."""
    formation = read_app_settings(node.layout.app(live.key.app)).formation
    return next((name for name in live.habits.workers if formation.get(name, 1)), None)


def choose_idle_s(node: Node, live: LiveStart) -> float | None:
    """After how many seconds without a visit it sleeps; None for never: that was said, or a worker keeps it awake."""
    if find_wakeful_worker(node, live):
        return None
    return choose_idle(read_app_settings(node.layout.app(live.key.app)).idle, live.habits.web.idle, node.settings.idle)


def find_live_key(layout: Layout, app: str) -> StartKey | None:
    """The start that the router reaches now: where `current` and its `web.sock` lead."""
    current = layout.app(app)
    number = current.live_number()
    try:
        socket_path = current.release(number).web_sock.readlink() if number else None
    except FileNotFoundError:
        return None
    return StartKey(app, number, int(socket_path.parent.name)) if number and socket_path else None
