"""The doorman: opens every start's listening socket, wakes apps and lets them sleep, drains old starts, answers for
those that cannot.

`python -I -m deploy.doorman --root ROOT`. Control over run/doorman.sock, one JSON line each way, see doorman_client.py.
One thread does all that is quick; what waits is a job in another (jobs.py), and each retirement has a thread of its
own. It may be killed at any time: sockets are with the holder, all else is on disk or with supervisord, and it goes
on from there.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import os
import resource
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.answers import Answers, mark_unavailable, read_page, read_unavailable
from deploy.holder_client import HolderClient
from deploy.jobs import Jobs
from deploy.live_start import find_live_key
from deploy.open_sockets import OpenSockets
from deploy.process_record import read_processes
from deploy.program_events import EventInbox
from deploy.pruning import start_pruning
from deploy.release_watch import ReleaseWatch
from deploy.retirement import Request, find_requests, read_request, retire, write_request
from deploy.start_key import WEB, StartKey, key_of_folder, parse_program_name
from deploy.supervisor import BACKOFF, EXITED, ProgramState, Supervisor
from deploy.supervisor_watch import SupervisorWatch
from deploy.watch import Watch
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node, open_node
from toppcloud.unix import listen_unix

_LONGEST_REQUEST = 256 * 1024
_REQUEST_TIMEOUT_S = 2.0
_HOLDER_PAUSE_S = 0.005
_ROUTER_PAUSE_S = 0.05
_FAULT_PAUSE_S = 0.05
_MENDED_AT_ONCE = 8
_log = logging.getLogger(__name__)

Reply = Callable[[dict[str, Any]], None]


class Doorman:
    """All that one node's doorman knows while it lives."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._layout = node.layout
        self._selector = selectors.DefaultSelector()
        self._sockets = OpenSockets(node)
        self._answers = Answers(self._selector)
        self._jobs = Jobs(self._selector)
        self._watch = Watch(node, self._sockets, self._answers, self._selector, self._jobs)
        self._releases = ReleaseWatch(node)
        self._retiring: set[StartKey] = set()
        self._holder: socket.socket | None = None

    def run(self) -> None:
        """Recover, then serve for ever."""
        self._find_holder(recover=True)
        events = EventInbox(self._layout.doorman_events)
        self._selector.register(events, selectors.EVENT_READ, lambda: self._hear(events))
        self._recover()
        control = listen_unix(self._layout.doorman_socket)
        self._selector.register(control, selectors.EVENT_READ, lambda: self._serve_control(control))
        SupervisorWatch(self._layout).begin()
        threading.Thread(target=self._open_router, daemon=True).start()
        while True:
            for key, _ in self._selector.select(self._timeout_s):
                _guard(key.data)
            for step in (self._answers.sweep, self._watch.turn, self._turn_releases, self._keep_holder):
                _guard(step)

    @property
    def _timeout_s(self) -> float | None:
        if self._holder is None:
            return _HOLDER_PAUSE_S
        wanted = (self._answers.timeout_s, self._watch.timeout_s, self._releases.timeout_s)
        return min((timeout_s for timeout_s in wanted if timeout_s is not None), default=None)

    # what it is asked for

    def open(self, key: StartKey) -> None:
        if not key.layout(self._layout).folder.is_dir():
            raise ToppcloudError(f"There is no start {key.name}.", "Its folder is gone.")
        self._sockets.open(key)

    def attend(self, key: StartKey, *, is_up: bool, wake: bool, is_half_asleep: bool = False) -> None:
        """What it answered for this start until now, the watch goes on with."""
        if not self._watch.knows(key):
            self._answers.end(key)
        self._watch.attend(key, is_up=is_up, wake=wake, is_half_asleep=is_half_asleep)
        self._releases.attend(key)

    def close(self, key: StartKey) -> None:
        self._watch.forget(key)
        self._answers.end(key)
        self._sockets.close(key)

    def retire(self, key: StartKey, request: Request) -> None:
        """Begin to take a start out of service. Asked again, it goes on as it is."""
        if key in self._retiring:
            return
        self._retiring.add(key)
        write_request(key.layout(self._layout), request)

        def begin() -> None:
            self._watch.forget(key)
            self._answers.end(key)
            threading.Thread(target=self._retire, args=(key, request), daemon=True).start()

        self._watch.when_free(key, begin)

    def answer(self, key: StartKey, status: int) -> None:
        """Answer visitors of a start by ourselves for as long as it exists, whatever dies in between."""
        listener = self._sockets.open(key)
        mark_unavailable(key.layout(self._layout), status)
        if self._watch.knows(key):
            self._watch.stop(key)
        else:
            self._answers.begin(key, listener, read_page(key.layout(self._layout), status))

    def _retire(self, key: StartKey, request: Request) -> None:
        try:
            retire(self._layout, self._sockets, key, request, drain_s=self._node.settings.drain_timeout_s)
        except Exception:
            _log.exception("a retirement failed; it is tried again when the doorman starts", extra={"start": key.name})
            return
        finally:
            self._retiring.discard(key)
        with contextlib.suppress(OSError):  # the app's next change prunes it
            os.waitpid(start_pruning(self._layout, key.app), 0)

    def _hear(self, events: EventInbox) -> None:
        for event in events.read():
            crashed = self._watch.hear(event)
            if crashed:
                self._releases.note_crash(crashed, event["status"])

    # holder, router, and what was there before

    def _open_router(self) -> None:
        is_told = False
        while True:
            try:
                self._sockets.open_router()
                return
            except (OSError, ToppcloudError) as error:
                if not is_told:
                    _log.warning("the router's port %s cannot be had yet: %s", self._node.settings.http, error)
                is_told = True
                time.sleep(_ROUTER_PAUSE_S)

    def _turn_releases(self) -> None:
        self._releases.turn(time.time())

    def _keep_holder(self) -> None:
        if self._holder is None:
            self._find_holder(recover=False)

    def _find_holder(self, *, recover: bool) -> None:
        """Connect to the holder; take what it has at our own start, give it all when it is a new one."""
        while self._holder is None:
            try:
                connection = HolderClient(self._layout).connect()
                if recover:
                    self._sockets.recover()
                else:
                    self._sockets.park_all()
                connection.setblocking(False)
                self._holder = connection
            except OSError:
                if not recover:
                    return  # the loop comes back to it
                time.sleep(_HOLDER_PAUSE_S)
        self._selector.register(self._holder, selectors.EVENT_READ, self._lose_holder)

    def _lose_holder(self) -> None:
        assert self._holder
        self._selector.unregister(self._holder)
        self._holder.close()
        self._holder = None

    def _recover(self) -> None:
        """Go on with what the disk and the holder say of a doorman before us."""
        held = set(self._sockets.names())
        programs = [parse_program_name(record.name) for record in read_processes(self._layout.pids)]
        recorded = {parsed[0] for parsed in programs if parsed}
        for app in self._layout.app_names():
            key = find_live_key(self._layout, app)
            start = key.layout(self._layout) if key else None
            if key and start and (key.name in held or start.asleep.exists() or read_unavailable(start) is not None):
                is_half_asleep = key in recorded and start.asleep.exists()
                attend = functools.partial(self.attend, is_up=False, wake=False, is_half_asleep=is_half_asleep)
                self._try(attend, key)
        for start in find_requests(self._layout):
            request = read_request(start)
            if request:
                self.retire(key_of_folder(start.folder), request)
        threading.Thread(target=self._mend_lost, args=(held,), daemon=True).start()

    def _mend_lost(self, held: set[str]) -> None:
        """Doorman and holder died together: new sockets for what runs or will, and new runs, since the old listen
        elsewhere."""
        supervisor = Supervisor(self._layout)
        try:
            states = supervisor.states()
        except ToppcloudError:
            return  # supervisord has just begun: it runs no app yet
        with ThreadPoolExecutor(_MENDED_AT_ONCE) as threads:  # who has a long request takes long to stop
            for key, state in [lost for state in states.values() if (lost := self._find_lost(state, held))]:
                _log.warning("the socket of %s was lost with doorman and holder", state.name)
                self._try(self._sockets.open, key)
                threads.submit(self._try, functools.partial(self._run_anew, supervisor, state), key)

    def _find_lost(self, state: ProgramState, held: set[str]) -> tuple[StartKey, ProgramState] | None:
        """A web program that runs, or will by itself, and whose socket nobody has."""
        key, process = parse_program_name(state.name) or (None, "")
        if key is None or not process.startswith(f"{WEB}.") or key.name in held or key in self._retiring:
            return None
        is_wanted = state.is_running or state.state in (BACKOFF, EXITED)
        return (key, state) if is_wanted and key.layout(self._layout).socket.exists() else None

    def _run_anew(self, supervisor: Supervisor, state: ProgramState, key: StartKey) -> None:
        if state.is_running:
            supervisor.stop(state.name)
            supervisor.start(state.name)
        self._jobs.call(functools.partial(self._attend_live, key))

    def _attend_live(self, key: StartKey) -> None:
        """Unless another start went live meanwhile."""
        if key == find_live_key(self._layout, key.app):
            self.attend(key, is_up=False, wake=False)

    def _try(self, step: Callable[[StartKey], object], key: StartKey) -> None:
        try:
            step(key)
        except (OSError, ToppcloudError):
            _log.exception("could not recover", extra={"start": key.name})

    # control

    def _serve_control(self, control: socket.socket) -> None:
        connection, _ = control.accept()

        def reply(value: dict[str, Any]) -> None:
            with connection, contextlib.suppress(OSError):
                connection.sendall(json.dumps(value).encode() + b"\n")

        def carry_out(line: bytes | Exception) -> None:
            if isinstance(line, Exception):
                connection.close()
                return
            value = json.loads(line)
            self._carry_out(value.pop("op"), value, reply)

        connection.settimeout(_REQUEST_TIMEOUT_S)  # who connects and says nothing keeps nobody else waiting
        self._jobs.run(
            lambda: _receive_line(connection),
            lambda line: _replying_with_errors(lambda: carry_out(line), reply),
        )

    def _carry_out(self, operation: str, value: dict[str, Any], reply: Reply) -> None:
        if operation == "ping":
            reply({})
        elif operation == "states":
            reply({"apps": self._watch.describe()})
        elif operation == "heed":
            self._watch.heed_settings()
            reply({})
        elif operation == "sleep":
            self._watch.sleep(value["app"], lambda why: reply({"why": why}))
        else:
            key = StartKey(value["app"], value["release"], value["start"])

            def act() -> None:
                self._act_on(operation, key, value)
                reply({})

            self._watch.when_free(key, lambda: _replying_with_errors(act, reply))

    def _act_on(self, operation: str, key: StartKey, value: dict[str, Any]) -> None:
        if operation == "open":
            self.open(key)
        elif operation == "attend":
            self.attend(key, is_up=value["is_up"], wake=value["wake"])
        elif operation == "close":
            self.close(key)
        elif operation == "answer":
            self.answer(key, value["status"])
        elif operation == "retire":
            self.retire(key, Request(time.time()))
        else:
            raise ToppcloudError(f"The doorman does not know '{operation}'.")


def _guard(step: Callable[[], object]) -> None:
    """What fails for one app is logged, and the others go on; not at once, or a lasting fault would take all time."""
    try:
        step()
    except Exception:
        _log.exception("something was not done")
        time.sleep(_FAULT_PAUSE_S)


def _replying_with_errors(act: Callable[[], None], reply: Reply) -> None:
    """Whatever goes wrong, who asked gets an answer."""
    try:
        act()
    except ToppcloudError as error:
        reply({"error": error.what, "why": error.why})
    except Exception as error:
        _log.exception("a request failed")
        reply({"error": "The doorman failed.", "why": f"{type(error).__name__}: {error}"})


def _receive_line(connection: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n") and len(data) < _LONGEST_REQUEST:
        chunk = connection.recv(65536)
        if not chunk:
            break
        data += chunk
    return bytes(data)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="doorman")
    parser.add_argument("--root", required=True, type=Path)
    root = parser.parse_args(argv).root
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Doorman(open_node(root)).run()


if __name__ == "__main__":
    main()
