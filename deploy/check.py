"""Whether a new start answers: one request over its own socket, as the router would send it, before any traffic.

A program that takes the inherited socket answers there. One that listens on its $PORT instead is given a relay,
which takes the request that already waits in the socket.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.listeners import find_listeners
from deploy.port_file import read_port_file
from deploy.start import Process, Start
from deploy.supervisor import BACKOFF, EXITED, FATAL, ProgramState, Supervisor
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.slug import Check
from toppcloud.unix import connect_unix

TRIES = 3
_POLL_S = 0.02
_LOOK_EVERY_S = 0.1
_LARGEST_HEAD = 65536
_CONNECT_S = 5.0


@dataclass(frozen=True)
class Cure:
    """What somebody can do whose release does not answer; it depends on what they did."""

    again: str
    """`Correct it, commit and push again.`"""
    option: str
    """`-o no-check`"""
    output: str
    """The command that shows all that the processes wrote."""


@dataclass(frozen=True)
class Answer:
    """What the app said to the check."""

    status: int
    seconds: float
    relayed: bool
    secure_location: str = ""
    """Where it sends visitors instead, when that is its own host by https."""


def check_start(
    layout: Layout,
    start: Start,
    check: Check,
    *,
    host: str,
    timeout_s: float,
    cure: Cure,
    start_relay: Callable[[Process], None],
    read_output: Callable[[float], list[str]],
) -> Answer:
    """Wait until the start's web process answers `check.path`. Its programs run already.

    Raises ToppcloudError, with the process's own last lines, when it exits at start, does not answer within
    `timeout_s`, or answers with 500 or above. `read_output` is given a moment and returns the last lines since then.
    """
    watch = _Watch(Supervisor(layout), start, cure, start_relay, read_output)
    began = time.monotonic()
    with Request(lambda: connect_unix(start.layout.socket, timeout_s=_CONNECT_S), check.path, host) as request:
        while (status := request.poll_status(_POLL_S)) is None:
            elapsed = time.monotonic() - began
            watch.look(elapsed)
            if elapsed > timeout_s:
                raise watch.refuse_silence(timeout_s)
            if request.was_dropped:
                request.send()
        secure_location = find_secure_location(request.received, host)
    if status >= 500:
        raise ToppcloudError(
            f"The new version answered {check.path} with {status}.",
            f"It was asked as http://{host}{check.path} on its own socket, before any traffic.",
            f"{cure.again} To go live without this check: {cure.option}",
            reason=f"health check answered {status}",
            output=read_output(0.0),
        )
    return Answer(status, time.monotonic() - began, bool(watch.relayed), secure_location)


def find_secure_location(head: bytes, host: str) -> str:
    """Where an answer's head leads when that is the same host by https, else "". Source: RFC 9110, 10.2.2."""
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    location = fields.get(b"location", b"").decode("latin-1")
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    is_own = parts.hostname == host.partition(":")[0].lower()
    return location if parts.scheme == "https" and is_own else ""


class _Watch:
    """Looks at the processes while the request waits: did one exit, does one listen on its $PORT?"""

    def __init__(
        self,
        supervisor: Supervisor,
        start: Start,
        cure: Cure,
        start_relay: Callable[[Process], None],
        read_output: Callable[[float], list[str]],
    ) -> None:
        self._supervisor = supervisor
        self._start = start
        self._cure = cure
        self._start_relay = start_relay
        self._read_output = read_output
        self._next_look_s = _LOOK_EVERY_S  # most answer before; looking takes time that their start needs
        self.relayed: set[str] = set()

    def look(self, elapsed_s: float) -> None:
        if elapsed_s < self._next_look_s:
            return
        self._next_look_s = elapsed_s + _LOOK_EVERY_S
        for process in self._start.web:
            self._refuse_crash(process, self._supervisor.state(process.program), elapsed_s)
            if process.program not in self.relayed and self._is_on_its_port(process):
                self.relayed.add(process.program)
                self._start_relay(process)

    def _is_on_its_port(self, process: Process) -> bool:
        given = read_port_file(self._start.layout.port_file(process.process))
        return given is not None and any(one.port == given.port for one in find_listeners(given.pid))

    def _refuse_crash(self, process: Process, state: ProgramState | None, elapsed_s: float) -> None:
        """After its last try: then what that try wrote is all there, and nothing of a next one."""
        if state is None or not (state.spawns >= TRIES and state.state in (BACKOFF, EXITED, FATAL)):
            return
        raise ToppcloudError(
            f"v{self._start.release.number} never answered: its web process exits at start "
            f"({TRIES} tries in {elapsed_s:.0f} s).",
            "Its last lines stand above.",
            f"{self._cure.again} All its output: {self._cure.output}",
            reason="web process exits at start",
            output=self._read_output(state.started_at),
        )

    def refuse_silence(self, timeout_s: float) -> ToppcloudError:
        return ToppcloudError(
            f"v{self._start.release.number} never answered: nothing came within {timeout_s:.0f} s.",
            describe_silence(self._start.layout.port_file(process.process) for process in self._start.web),
            'Bind 127.0.0.1:$PORT, or give it more time in toppcloud.toml: [checks] timeout = "120s"',
            reason="web process never answers",
            output=self._read_output(0.0),
        )


def describe_silence(port_files: Iterable[Path]) -> str:
    """`... nor its $PORT (5123). It listens on 0.0.0.0:8000.`"""
    given = [one for path in port_files if (one := read_port_file(path))]
    ports = f" ({', '.join(str(one.port) for one in given)})" if given else ""
    others = ", ".join(str(listener) for one in given for listener in find_listeners(one.pid))
    where = f" It listens on {others}." if others else ""
    return f"Its web process runs, but it serves neither the socket that it inherits nor its $PORT{ports}.{where}"


class Request:
    """One HTTP request whose answer is waited for without blocking."""

    def __init__(self, connect: Callable[[], socket.socket], target: str, host: str) -> None:
        self._connect = connect
        self._head = (
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: toppcloud-check\r\nAccept: */*\r\n"
            "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: "
            f"{host}\r\nConnection: close\r\n\r\n"
        ).encode()
        self._connection: socket.socket | None = None
        self.received = b""
        """What has come of the answer: its first lines at least, once the status is known."""
        self.was_dropped = False

    def __enter__(self) -> Request:
        self.send()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection:
            self._connection.close()

    def send(self) -> None:
        """Ask, or ask again after the process that had the request died."""
        if self._connection:
            self._connection.close()
        self.received, self.was_dropped = b"", True
        self._connection = self._connect()
        self.was_dropped = False
        with contextlib.suppress(BrokenPipeError):
            self._connection.sendall(self._head)

    def poll_status(self, wait_s: float) -> int | None:
        """The answer's status once its first line is there, else None."""
        assert self._connection is not None
        if self.was_dropped:
            time.sleep(wait_s)
            return None
        if not select.select([self._connection], [], [], wait_s)[0]:
            return None
        try:
            data = self._connection.recv(_LARGEST_HEAD)
        except ConnectionResetError:
            data = b""
        self.was_dropped = not data
        self.received += data
        words = self.received.split(b"\r\n", 1)[0].split(b" ")
        if b"\r\n" in self.received and len(words) > 1 and words[1].isdigit():
            return int(words[1])
        return None
