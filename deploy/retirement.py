"""The end of a start that another one has taken over from: drain, stop, hand on what still queued, clear away.

Asked for in `starts/2/retire.json`, so that a doorman that dies in the middle finishes it later. Any step may run
twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from deploy.open_sockets import OpenSockets
from deploy.relay import Forwarder
from deploy.start_key import StartKey
from deploy.supervisor import Supervisor
from deploy.unavailable import accept_waiting
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_json, remove_tree, write_json
from toppcloud.layout import Layout, StartLayout
from toppcloud.unix import connect_unix

GRACE_S = 0.5
"""Between the rename of `current` and SIGTERM: by then nobody is on the way to the old socket."""
_RETRY_S = 1.0
_FORWARD_PATIENCE_S = 30.0
_RELAY = ".relay."
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """retire.json."""

    programs: tuple[str, ...]
    remove_source: bool
    asked_at: float
    """Seconds since 1970."""


def write_request(start: StartLayout, request: Request) -> None:
    if start.folder.is_dir():
        write_json(start.folder / "retire.json", asdict(request), mode=0o600)


def read_request(start: StartLayout) -> Request | None:
    value = read_json(start.folder / "retire.json")
    return None if value is None else Request(tuple(value["programs"]), value["remove_source"], value["asked_at"])


def find_requests(layout: Layout) -> list[StartLayout]:
    """The starts whose retirement was asked for and has not ended."""
    return [StartLayout(path.parent) for path in layout.apps.glob("*/releases/*/starts/*/retire.json")]


def retire(layout: Layout, sockets: OpenSockets, key: StartKey, request: Request) -> None:
    """Take a start out of service. Blocks as long as its requests run."""
    wait_out_grace(request)
    stop_programs(Supervisor(layout), request.programs)
    forward_queued(layout, sockets, key)
    sockets.close(key)
    remove_tree(key.layout(layout).folder)
    for program in request.programs:
        layout.output_pipe(program).unlink(missing_ok=True)
    if request.remove_source and layout.app(key.app).live_number() != key.release:
        release = key.release_layout(layout)
        remove_tree(release.source)
        remove_tree(release.tmp)


def wait_out_grace(request: Request) -> None:
    time.sleep(max(0.0, min(GRACE_S, request.asked_at + GRACE_S - time.time())))


def stop_programs(supervisor: Supervisor, programs: tuple[str, ...]) -> None:
    """Relays first, since what they have accepted needs the program behind them; then all else, at the same time."""
    relays = [name for name in programs if _RELAY in name]
    others = [name for name in programs if _RELAY not in name]
    for names in (relays, others):
        for name in names:
            _insist(lambda name=name: _stop(supervisor, name, wait=False))  # type: ignore[misc] # a bound copy
        for name in names:
            _insist(lambda name=name: supervisor.remove(name))  # type: ignore[misc]


def forward_queued(layout: Layout, sockets: OpenSockets, key: StartKey) -> None:
    """Hand every connection that no program has accepted to the app's live start. No new one can come: the path goes
    first."""
    listener = sockets.find(key)
    if listener is None:
        return
    key.layout(layout).socket.unlink(missing_ok=True)
    live = layout.app(key.app).current / "web.sock"
    forwarder = Forwarder(lambda: connect_unix(live, timeout_s=1.0), patience_s=_FORWARD_PATIENCE_S)
    count = 0
    with forwarder.selector:
        while waiting := accept_waiting(listener):
            count += len(waiting)
            for connection in waiting:
                forwarder.add(connection)
        while not forwarder.is_idle:
            forwarder.turn(1.0)
    if count:
        _log.info("forwarded queued connections", extra={"start": key.name, "count": count})


def _stop(supervisor: Supervisor, name: str, *, wait: bool) -> None:
    if supervisor.state(name) is not None:
        supervisor.stop(name, wait=wait)


def _insist(step: Callable[[], None]) -> None:
    """Until supervisord is there: without it nothing can be stopped."""
    while True:
        try:
            step()
            return
        except ToppcloudError as error:
            _log.warning("retirement waits", extra={"why": error.what})
            time.sleep(_RETRY_S)
