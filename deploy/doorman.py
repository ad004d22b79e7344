"""The doorman: opens every start's listening socket, drains old starts, answers for apps that are stopped.

`python -I -m deploy.doorman --root ROOT`. Control over run/doorman.sock, one JSON line each way, see doorman_client.py.
One thread serves that and the 503 answers; each retirement, which mostly waits, has a thread of its own. It may be
killed at any time: sockets are with the holder, all else is on disk, and it goes on from there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import resource
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.holder_client import HolderClient
from deploy.open_sockets import OpenSockets
from deploy.retirement import Request, find_requests, read_request, retire, write_request
from deploy.start_key import StartKey, key_of_folder, parse_program_name
from deploy.supervisor import Supervisor
from deploy.unavailable import UnavailableAnswers
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node, open_node
from toppcloud.unix import listen_unix

_LONGEST_REQUEST = 256 * 1024
_REQUEST_TIMEOUT_S = 2.0
_HOLDER_PAUSE_S = 0.005
_ROUTER_PAUSE_S = 1.0
_log = logging.getLogger(__name__)


class Doorman:
    """All that one node's doorman knows while it lives."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._layout = node.layout
        self._selector = selectors.DefaultSelector()
        self._sockets = OpenSockets(node)
        self._unavailable = UnavailableAnswers(self._selector)
        self._answered_for: dict[StartKey, socket.socket] = {}
        self._retiring: set[StartKey] = set()
        self._holder: socket.socket | None = None

    def run(self) -> None:
        """Recover, then serve for ever."""
        self._find_holder(recover=True)
        self._finish_interrupted()
        control = listen_unix(self._layout.doorman_socket)
        self._selector.register(control, selectors.EVENT_READ, lambda: self._serve_control(control))
        threading.Thread(target=self._open_router, daemon=True).start()
        while True:
            timeout_s = _HOLDER_PAUSE_S if self._holder is None else self._unavailable.timeout_s
            for key, _ in self._selector.select(timeout_s):
                key.data()
            self._unavailable.sweep()
            if self._holder is None:
                self._find_holder(recover=False)

    def open(self, key: StartKey) -> None:
        if not key.layout(self._layout).folder.is_dir():
            raise ToppcloudError(f"There is no start {key.name}.", "Its folder is gone.")
        self._sockets.open(key)

    def close(self, key: StartKey) -> None:
        self._stop_answering(key)
        self._sockets.close(key)

    def retire(self, key: StartKey, request: Request) -> None:
        """Begin to take a start out of service. Asked again, it goes on as it is."""
        if key in self._retiring:
            return
        self._retiring.add(key)
        write_request(key.layout(self._layout), request)
        self._stop_answering(key)
        threading.Thread(target=self._retire, args=(key, request), daemon=True).start()

    def answer_unavailable(self, key: StartKey) -> None:
        """Answer 503 for a start until `resume`, whatever dies in between."""
        listener = self._sockets.open(key)
        _marker(key.layout(self._layout).folder).touch()
        if key not in self._answered_for:
            self._answered_for[key] = listener
            self._selector.register(listener, selectors.EVENT_READ, lambda: self._unavailable.accept(listener))

    def resume(self, key: StartKey) -> None:
        """Answer for it no more: what comes from now on waits for the app."""
        self._stop_answering(key)
        _marker(key.layout(self._layout).folder).unlink(missing_ok=True)

    def _stop_answering(self, key: StartKey) -> None:
        listener = self._answered_for.pop(key, None)
        if listener:
            self._selector.unregister(listener)

    def _retire(self, key: StartKey, request: Request) -> None:
        try:
            retire(self._layout, self._sockets, key, request, drain_s=self._node.settings.drain_timeout_s)
        except Exception:
            _log.exception("a retirement failed; it is tried again when the doorman starts", extra={"start": key.name})
        finally:
            self._retiring.discard(key)

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

    def _finish_interrupted(self) -> None:
        """Go on with what the disk says was under way."""
        for path in self._layout.apps.glob("*/releases/*/starts/*/unavailable"):
            self._try(self.answer_unavailable, key_of_folder(path.parent))
        for start in find_requests(self._layout):
            request = read_request(start)
            if request:
                self.retire(key_of_folder(start.folder), request)
        threading.Thread(target=self._mend_lost, daemon=True).start()

    def _mend_lost(self) -> None:
        """Doorman and holder died together: new sockets for what runs, and new runs, since the old listen elsewhere."""
        supervisor = Supervisor(self._layout)
        try:
            running = [(name, parse_program_name(name)) for name, s in supervisor.states().items() if s.is_running]
        except ToppcloudError:
            return  # supervisord has just begun: it runs no app yet
        lost = {name: parsed[0] for name, parsed in running if parsed and parsed[1].startswith("web.")}
        held = set(self._sockets.names())
        for name, key in lost.items():
            if key.name in held or key in self._retiring or not key.layout(self._layout).socket.exists():
                continue
            _log.warning("a socket was lost with doorman and holder", extra={"program": name})
            self._try(self._sockets.open, key)
            supervisor.stop(name)
            supervisor.start(name)

    def _try(self, step: Callable[[StartKey], object], key: StartKey) -> None:
        try:
            step(key)
        except (OSError, ToppcloudError):
            _log.exception("could not recover", extra={"start": key.name})

    def _serve_control(self, control: socket.socket) -> None:
        connection, _ = control.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_REQUEST_TIMEOUT_S)
            connection.sendall(json.dumps(self._answer(_receive_line(connection))).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            value = json.loads(line)
            self._carry_out(value.pop("op"), value)
        except ToppcloudError as error:
            return {"error": error.what, "why": error.why}
        except Exception as error:
            _log.exception("a request failed")
            return {"error": "The doorman failed.", "why": f"{type(error).__name__}: {error}"}
        return {}

    def _carry_out(self, operation: str, value: dict[str, Any]) -> None:
        if operation == "ping":
            return
        key = StartKey(value["app"], value["release"], value["start"])
        if operation == "open":
            self.open(key)
        elif operation == "close":
            self.close(key)
        elif operation == "unavailable":
            self.answer_unavailable(key)
        elif operation == "resume":
            self.resume(key)
        elif operation == "retire":
            self.retire(key, Request(tuple(value["programs"]), time.time()))
        else:
            raise ToppcloudError(f"The doorman does not know '{operation}'.")


def _marker(start_folder: Path) -> Path:
    """Its being there says that the doorman answers for this start."""
    return start_folder / "unavailable"


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
