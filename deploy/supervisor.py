"""Talking to supervisord: add, start, stop and remove one program, in constant time. Knows nothing of apps.

A new connection for every call: one that met a broken pipe stays broken. A supervisord that was killed is started again
by the doorman (supervisor_watch.py), so a call that meets none waits a moment. All calls but one may be made twice.
"""

from __future__ import annotations

import contextlib
import http.client
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.process_record import read_process
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.unix import connect_unix

RUNNING, STOPPED, EXITED, BACKOFF = "RUNNING", "STOPPED", "EXITED", "BACKOFF"
FATAL, STARTING, STOPPING = "FATAL", "STARTING", "STOPPING"
_OVER = (STOPPED, EXITED, BACKOFF, FATAL)
_SHUTDOWN = "supervisor.shutdown"
_CALL_TIMEOUT_S = 30.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.05


@dataclass(frozen=True)
class ProgramState:
    """A program as supervisord sees it."""

    name: str
    state: str
    """RUNNING, STOPPED, EXITED, BACKOFF (it will be tried again later), FATAL, STARTING or STOPPING."""
    pid: int | None
    exit_status: int | None
    """Of its last run; negative for a signal, None when it has not ended yet."""
    spawns: int
    """How often it was spawned since it was added."""
    started_at: float
    """Seconds since 1970; 0 when it never was."""
    next_try: float = 0.0
    """When it is started again, in BACKOFF: seconds since 1970."""

    @property
    def is_running(self) -> bool:
        return self.state in (RUNNING, STARTING)


@dataclass(frozen=True)
class Supervisor:
    """The supervisord of one node."""

    layout: Layout
    patience_s: float = 3.0
    """How long a call waits for a killed supervisord's successor."""

    def add(self, ini: Path) -> None:
        """Make the program(s) of an INI file known. One that is known and stopped is replaced; a running one stays."""
        self._call("toppcloud.add", str(ini))

    def start(self, name: str) -> None:
        """Start a program and return as soon as it was spawned. Nothing happens when it runs."""
        self._call("toppcloud.start", name)

    def stop(self, name: str, *, wait: bool = True, patience_s: float | None = None) -> None:
        """Stop a program, its whole process group, within `patience_s` or else its stopwaitsecs; it is not started
        again."""
        self._call("toppcloud.stop", name, *(() if patience_s is None else (patience_s,)))
        pause_s = _SHORTEST_PAUSE_S
        while wait and not self._is_over(name):
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    def remove(self, name: str) -> None:
        """Stop a program if need be, and forget it with the pipe that its output went into."""
        if self.state(name) is not None:
            self.stop(name)
            self._call("toppcloud.remove", name)
        self.layout.output_pipe(name).unlink(missing_ok=True)

    def state(self, name: str) -> ProgramState | None:
        """The program of that name, or None."""
        value = self._call("toppcloud.state", name)
        return _parse_state(value) if value else None

    def states(self, prefix: str = "") -> dict[str, ProgramState]:
        """All programs whose name begins with `prefix`, by name."""
        return {value["name"]: _parse_state(value) for value in self._call("toppcloud.states", prefix)}

    def shutdown(self) -> None:
        """Ask supervisord to stop all programs, at once, and then to end. Returns before it has."""
        self._call(_SHUTDOWN)

    def is_running(self) -> bool:
        """Whether supervisord answers."""
        with contextlib.suppress(ToppcloudError):
            return bool(self._call("supervisor.getState"))
        return False

    def read_pid(self) -> int:
        """supervisord's own pid."""
        return int(self._call("supervisor.getPID"))

    def _is_over(self, name: str) -> bool:
        state = self.state(name)
        return state is None or state.state in _OVER

    def _call(self, method: str, *arguments: str | float) -> Any:
        body = xmlrpc.client.dumps(arguments, method).encode()
        try:
            answer = self._ask(body, patience_s=0.0 if method == _SHUTDOWN else self.patience_s)
        except (OSError, http.client.HTTPException) as error:
            raise ToppcloudError(
                f"The node in {self.layout.root} does not run.",
                f"Its supervisord does not answer: {error}",
                f"Start it: toppcloud node start --root {self.layout.root}",
                reason="node does not run",
            ) from error
        try:
            return xmlrpc.client.loads(answer)[0][0]
        except xmlrpc.client.Fault as fault:
            raise ToppcloudError(
                f"supervisord refused {method.rpartition('.')[2]} {' '.join(map(str, arguments))}.",
                fault.faultString,
                "See log/supervisord.log in the node's folder.",
                reason="supervisord refused",
            ) from fault

    def _ask(self, body: bytes, patience_s: float) -> bytes:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self._post(body)
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline or not self._will_come_back():
                    raise
            time.sleep(_LONGEST_PAUSE_S)

    def _will_come_back(self) -> bool:
        """Whether there is a doorman to start it again, and nobody stopped it."""
        supervisord = read_process(self.layout.pids, "supervisord")
        doorman = read_process(self.layout.pids, "doorman")
        return bool(supervisord and not supervisord.is_stopping and doorman and doorman.is_alive)

    def _post(self, body: bytes) -> bytes:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = connect_unix(self.layout.supervisor_socket, timeout_s=_CALL_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", "Connection": "close"})
            return connection.getresponse().read()


def _parse_state(value: dict[str, Any]) -> ProgramState:
    return ProgramState(
        name=value["name"],
        state=value["state"],
        pid=value["pid"] or None,
        exit_status=value.get("exit_status"),
        spawns=value["spawns"],
        started_at=value["started_at"],
        next_try=value.get("next_try", 0.0),
    )
