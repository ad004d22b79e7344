"""The end of a start that another one has taken over from: drain, stop, hand on what still queued, clear away.

Nobody connects to it any more, so it is left alone until it has served what it has, requests and WebSockets alike, or
the drain limit has come. Only then it is told to stop: many servers close WebSockets the moment they hear SIGTERM.

Asked for in `starts/2/retire.json`, so that a doorman that dies in the middle finishes it later. Any step may run
twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

from deploy.connections import count_connections
from deploy.open_sockets import OpenSockets
from deploy.start_key import StartKey, parse_program_name
from deploy.stragglers import forward_waiting
from deploy.supervisor import Supervisor
from toppcloud.app_layout import StartLayout
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_json, remove_tree, write_json
from toppcloud.layout import Layout

GRACE_S = 0.5
"""Between the rename of `current` and SIGTERM: by then nobody is on the way to the old socket."""
LATE_S = 2.0
"""What runs on after the drain limit has so long to end by itself."""
_RETRY_S = 1.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.25
_RELAY = ".relay."
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """retire.json."""

    asked_at: float
    """Seconds since 1970."""


def write_request(start: StartLayout, request: Request) -> None:
    if start.folder.is_dir():
        write_json(start.folder / "retire.json", asdict(request), mode=0o600)


def read_request(start: StartLayout) -> Request | None:
    value = read_json(start.folder / "retire.json")
    return None if value is None else Request(value["asked_at"])


def find_requests(layout: Layout) -> list[StartLayout]:
    """The starts whose retirement was asked for and has not ended."""
    return [StartLayout(path.parent) for path in layout.apps.glob("*/releases/*/starts/*/retire.json")]


def retire(layout: Layout, sockets: OpenSockets, key: StartKey, request: Request, *, drain_s: float) -> None:
    """Take a start out of service. Blocks as long as its requests run, `drain_s` at most."""
    supervisor = Supervisor(layout)
    wait_out_grace(request)
    is_drained = wait_until_drained(layout, key, until=request.asked_at + drain_s)
    stop_programs(supervisor, find_programs(supervisor, key), is_drained=is_drained)
    forward_queued(layout, sockets, key)
    sockets.close(key)
    remove_tree(key.layout(layout).folder)


def wait_out_grace(request: Request) -> None:
    time.sleep(max(0.0, min(GRACE_S, request.asked_at + GRACE_S - time.time())))


def wait_until_drained(layout: Layout, key: StartKey, *, until: float) -> bool:
    """Whether its programs had served all their connections before `until` (seconds since 1970)."""
    pause_s = _SHORTEST_PAUSE_S
    while count_connections(layout, key).accepted:
        if time.time() > until:
            return False
        time.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)
    return True


def find_programs(supervisor: Supervisor, key: StartKey) -> tuple[str, ...]:
    """All programs of that start that are left: its web processes, and what a visitor may have waked with them."""
    names = _insist(lambda: supervisor.states(prefix=f"{key.app}."))
    return tuple(name for name in sorted(names) if (parsed := parse_program_name(name)) and parsed[0] == key)


def stop_programs(supervisor: Supervisor, programs: tuple[str, ...], *, is_drained: bool) -> None:
    """Relays first, since what they have accepted needs the program behind them; then all else, at the same time.

    After the drain limit all at the same time: the program's last words to a WebSocket still pass through its relay.
    """
    relays = tuple(name for name in programs if _RELAY in name)
    others = tuple(name for name in programs if _RELAY not in name)
    for names in (relays, others) if is_drained else (programs,):
        for name in names:
            _insist(lambda name=name: _stop(supervisor, name, None if is_drained else LATE_S))  # type: ignore[misc]
        for name in names:
            _insist(lambda name=name: supervisor.remove(name))  # type: ignore[misc] # a bound copy


def forward_queued(layout: Layout, sockets: OpenSockets, key: StartKey) -> None:
    """Hand every connection that no program has accepted to the app's live start. No new one can come: the path goes
    first."""
    listener = sockets.find(key)
    if listener:
        key.layout(layout).socket.unlink(missing_ok=True)
        forward_waiting(listener, layout.app(key.app).current / "web.sock")


def _stop(supervisor: Supervisor, name: str, patience_s: float | None) -> None:
    if supervisor.state(name) is not None:
        supervisor.stop(name, wait=False, patience_s=patience_s)


def _insist(step: Callable[[], T]) -> T:
    """Until supervisord is there: without it nothing can be stopped."""
    while True:
        try:
            return step()
        except ToppcloudError as error:
            _log.warning("retirement waits", extra={"why": error.what})
            time.sleep(_RETRY_S)
