"""An app falls asleep and wakes: which programs that takes away and brings back. Waits; so each runs in a thread.

Asleep, none of its web programs exist and supervisord has not even heard of them: the listening socket is all that is
left, and the files of the start from which they are made again. Before they end, a new socket takes the place of
theirs: whoever comes from then on waits there, and whoever came before is served first. So nobody is in a program that
is told to end, whatever it does when it hears that.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from deploy.connections import Connections, count_at, count_connections
from deploy.memory_sizes import remember_grown
from deploy.open_sockets import OpenSocket, OpenSockets
from deploy.start_key import WEB, StartKey, parse_program_name
from deploy.stragglers import forward_and_close
from deploy.supervisor import ProgramState, Supervisor
from toppcloud.app_layout import StartLayout
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout

_EMPTYING_S = 1.0
"""Who comes while a sleep is tried waits no longer than this for it to be given up."""
_STOP_PATIENCE_S = 10.0
_POLL_S = 0.002
RELAY = ".relay"


@dataclass(frozen=True)
class Sleeper:
    """What sleeps and wakes: the web programs of a start, and those workers that sleep with them."""

    layout: Layout
    key: StartKey
    sleeps_with: tuple[str, ...] = ()

    @property
    def start(self) -> StartLayout:
        return self.key.layout(self.layout)

    def is_ours(self, process: str) -> bool:
        """`web.1`, `web.1.relay`, and `worker.2` when workers sleep too."""
        process_type = process.split(".", 1)[0]
        return process_type == WEB or process_type in self.sleeps_with

    def processes(self) -> list[str]:
        """The names of all that belongs to the start awake, as its files say."""
        is_relayed = self.key.release_layout(self.layout).relayed.exists()
        names = sorted(path.stem for path in self.start.folder.glob("*.ini"))
        return [name for name in names if self.is_ours(name) and (is_relayed or not name.endswith(RELAY))]

    def running(self) -> dict[str, ProgramState]:
        """What supervisord knows of them, by program name. Raises ToppcloudError when it does not answer."""
        states = Supervisor(self.layout).states(prefix=f"{self.key.app}.")
        parsed = {name: parse_program_name(name) for name in states}
        return {name: states[name] for name, known in parsed.items() if known and known[0] == self.key}


def wake_programs(sleeper: Sleeper, *, is_half_asleep: bool = False) -> None:
    """Start what slept. Returns as soon as the processes were spawned.

    `is_half_asleep`: who let it sleep, or waked it, died over it. What is left of it may listen elsewhere, and goes.
    """
    supervisor = Supervisor(sleeper.layout)
    key = sleeper.key
    if is_half_asleep:
        _end_programs(sleeper)
    for process in sleeper.processes():
        supervisor.add(sleeper.start.program(process))
        supervisor.start(f"{key.app}.{process}.v{key.release}.{key.start}")
    sleeper.start.asleep.unlink(missing_ok=True)


def fall_asleep(sleeper: Sleeper, sockets: OpenSockets, *, tries_for_s: float = 0.0) -> str | None:
    """End the programs while nobody is in them. None when it is done, else why not: `2 open connections`.

    For `tries_for_s` it is waited for a moment without any, which comes even under traffic.
    """
    with contextlib.suppress(OSError):
        remember_grown(sleeper.layout, sleeper.key)
    inside = _wait_until_empty(lambda: count_connections(sleeper.layout, sleeper.key), tries_for_s)
    if inside and not tries_for_s:
        return _render(inside)
    mark_asleep(sleeper.start)
    old = sockets.replace(sleeper.key)
    if inside := _wait_until_empty(lambda: count_at(old.listener), _EMPTYING_S):
        _stay_awake(sleeper, sockets, old)
        return _render(inside)
    try:
        _end_programs(sleeper)
    except ToppcloudError:
        _stay_awake(sleeper, sockets, old)
        raise
    sockets.discard(sleeper.key)
    forward_and_close(old.listener, sleeper.start.socket)  # who was on the way when the new socket came
    return None


def _wait_until_empty(count: Callable[[], Connections], limit_s: float) -> int:
    """How many are inside or wait: 0 as soon as there is nobody, else those of the end."""
    deadline = time.monotonic() + limit_s
    while (now := count()).accepted or now.waiting:
        if time.monotonic() >= deadline:
            return now.accepted + now.waiting
        time.sleep(_POLL_S)
    return 0


def _stay_awake(sleeper: Sleeper, sockets: OpenSockets, old: OpenSocket) -> None:
    """The programs' own socket comes back into its place, and with it those who have come meanwhile."""
    new = sockets.restore(sleeper.key, old)
    sleeper.start.asleep.unlink(missing_ok=True)
    forward_and_close(new.listener, sleeper.start.socket)


def _end_programs(sleeper: Sleeper) -> None:
    """Stop them all at once, and have supervisord forget them."""
    supervisor = Supervisor(sleeper.layout)
    running = [name for name in sleeper.running() if (p := parse_program_name(name)) and sleeper.is_ours(p[1])]
    for name in running:
        supervisor.stop(name, wait=False, patience_s=_STOP_PATIENCE_S)
    for name in running:
        supervisor.remove(name)


def _render(inside: int) -> str:
    return f"{inside} open connection{'' if inside == 1 else 's'}"


def mark_asleep(start: StartLayout) -> None:
    """Whatever ends now, the node's next start lets it sleep on. The mark says from which files it wakes."""
    start.asleep.write_text(describe_installation())


def is_asleep(start: StartLayout) -> bool:
    """Whether it was left asleep, and its files still fit the programs that would be started from them."""
    try:
        return start.asleep.read_text() == describe_installation()
    except FileNotFoundError:
        return False


@functools.cache
def describe_installation() -> str:
    """What rendered files depend on besides the app: they are made anew when it has changed."""
    return f"toppcloud {metadata.version('toppcloud')} {Path(__file__).parent} {sys.executable}"
