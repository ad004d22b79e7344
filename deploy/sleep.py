"""An app falls asleep and wakes: which programs that takes away and brings back. Waits; so each runs in a thread.

Asleep, none of its web programs exist and supervisord has not even heard of them: the listening socket is all that is
left, and the files of the start from which they are made again. Before they end they are frozen (SIGSTOP): whoever
was accepted until then is seen, and whoever comes later waits in the socket. (A server that ends gracefully may still
take him while it ends, and then serves him.)
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from deploy.connections import count_connections
from deploy.memory_sizes import remember_grown
from deploy.process_memory import read_tree
from deploy.start_key import WEB, StartKey, parse_program_name
from deploy.supervisor import STOPPING, ProgramState, Supervisor
from toppcloud.app_layout import StartLayout
from toppcloud.layout import Layout

_FREEZE_LIMIT_S = 0.1
_STOP_PATIENCE_S = 10.0
_POLL_S = 0.001
_STILL_PAUSE_S = 0.0005
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

    `is_half_asleep`: who let it sleep, or waked it, died over it. Some may stand still, end, or not have begun.
    """
    supervisor = Supervisor(sleeper.layout)
    key = sleeper.key
    before = sleeper.running() if is_half_asleep else {}
    thaw(before)
    for name in [name for name, state in before.items() if state.state == STOPPING]:
        supervisor.remove(name)
    for process in sleeper.processes():
        supervisor.add(sleeper.start.program(process))
        supervisor.start(f"{key.app}.{process}.v{key.release}.{key.start}")
    sleeper.start.asleep.unlink(missing_ok=True)


def fall_asleep(sleeper: Sleeper, *, tries_for_s: float = 0.0) -> str | None:
    """End the programs while nobody is in them. None when it is done, else why not: `2 open connections`.

    Tried again and again for `tries_for_s`, since between two requests there is a moment for it even under traffic.
    """
    with contextlib.suppress(OSError):
        remember_grown(sleeper.layout, sleeper.key)
    deadline = time.monotonic() + tries_for_s
    while not _end_while_nobody_is_in(sleeper):
        while open_now := count_connections(sleeper.layout, sleeper.key).accepted:
            if time.monotonic() > deadline:
                return f"{open_now} open connection{'' if open_now == 1 else 's'}"
            time.sleep(_POLL_S)
        if time.monotonic() > deadline:
            return "it is busy"
    _forget(sleeper)
    return None


def _end_while_nobody_is_in(sleeper: Sleeper) -> bool:
    """Freeze, look, and stop what is frozen. Whether it was: else it goes on as if nothing had been."""
    leaders = [state.pid for name, state in sleeper.running().items() if _is_web(name) and state.pid]
    if count_connections(sleeper.layout, sleeper.key).accepted:
        return False
    with frozen(leaders) as is_still:
        if not is_still or count_connections(sleeper.layout, sleeper.key).accepted:
            return False
        mark_asleep(sleeper.start)
        for name in _programs(sleeper):
            Supervisor(sleeper.layout).stop(name, wait=False, patience_s=_STOP_PATIENCE_S)
    return True


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


@contextlib.contextmanager
def frozen(leaders: list[int]) -> Iterator[bool]:
    """Stop these processes and all that descends from them for a moment; yields whether all have come to rest."""
    strangers: set[int] = set()
    try:
        yield _freeze(leaders, strangers)
    finally:
        _thaw(leaders, strangers)


def thaw(states: dict[str, ProgramState]) -> None:
    """Let run what a doorman that died may have left frozen."""
    leaders = [state.pid for state in states.values() if state.pid]
    _thaw(leaders, {pid for leader in leaders for pid in read_tree(leader)})


def _freeze(leaders: list[int], strangers: set[int]) -> bool:
    """The whole groups first, at one stroke; then whoever has left them, who is added to `strangers`."""
    for leader in leaders:
        _signal_group(leader, signal.SIGSTOP)
    deadline = time.monotonic() + _FREEZE_LIMIT_S
    while moving := [pid for leader in leaders for pid in read_tree(leader) if not is_still(pid)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(_STILL_PAUSE_S)
        for pid in moving:
            if not is_still(pid):
                strangers.add(pid)
                _signal(pid, signal.SIGSTOP)
    return True


def _thaw(leaders: list[int], strangers: set[int]) -> None:
    for leader in leaders:
        _signal_group(leader, signal.SIGCONT)
    for pid in strangers:
        _signal(pid, signal.SIGCONT)


def is_still(pid: int) -> bool:
    """Source: proc(5), /proc/PID/task/TID/stat, field 3."""
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - while an app stands still
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                stat = Path(f"/proc/{pid}/task/{task}/stat").read_bytes()
                if stat.rpartition(b")")[2].split()[0] not in (b"T", b"t", b"Z", b"X"):
                    return False
    return True


def _forget(sleeper: Sleeper) -> None:
    supervisor = Supervisor(sleeper.layout)
    for name in _programs(sleeper):
        supervisor.remove(name)


def _programs(sleeper: Sleeper) -> list[str]:
    return [name for name in sleeper.running() if (parsed := parse_program_name(name)) and sleeper.is_ours(parsed[1])]


def _is_web(program: str) -> bool:
    parsed = parse_program_name(program)
    return parsed is not None and parsed[1].split(".", 1)[0] == WEB


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
