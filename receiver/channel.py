"""One SSH channel: what comes over it goes to a worker process, and back. Decides nothing about commands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable
from typing import Any

import asyncssh

from receiver.handover import FORWARDED_SIGNALS, Request, send_request
from receiver.pipes import Inflow, Outflow, open_pipe
from receiver.session import Terminal
from receiver.terminal import open_terminal, render_end_of_input, set_size
from toppcloud.layout import Layout
from toppcloud.unix import connect_unix

PING = "ping"
ENVIRONMENT = ("GIT_PROTOCOL",)
FORKER_WAIT_S = 5.0
LAST_WORDS_S = 2.0
_log = logging.getLogger(__name__)


class Channel(asyncssh.SSHServerSession[bytes]):
    """A session of `person`: asyncssh calls it as things happen."""

    def __init__(self, layout: Layout, person: str, at_end: Callable[[], None]) -> None:
        self._layout = layout
        self._person = person
        self._at_end = at_end
        self._command: str | None = None
        self._terminal: Terminal | None = None
        self._modes: dict[int, int] = {}
        self._inflow: Inflow | None = None
        self._outflows: list[Outflow] = []
        self._open_outflows = 0
        self._master: int | None = None
        self._in_line = False
        self._forker: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._outflows_ended = asyncio.Event()

    # What the client asks for, before it starts

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        self._terminal = Terminal(term_size[0], term_size[1], term_type)
        self._modes = dict(term_modes)
        return True

    def shell_requested(self) -> bool:
        return True  # no shell is there: the worker says hello, and that is all

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        if self._command == PING:
            self._chan.write(b"pong\n")
            self._chan.exit(0)
            return
        streams = self._open_terminal() if self._terminal else self._open_pipes()
        self._task = asyncio.get_running_loop().create_task(self._run(streams))

    # What happens while it runs

    def data_received(self, data: bytes, datatype: Any) -> None:
        if self._inflow:
            self._in_line = not data.endswith((b"\n", b"\r"))
            self._inflow.write(data)

    def eof_received(self) -> bool:
        if self._inflow and self._master is None:
            self._inflow.end()
        elif self._inflow and self._master is not None:
            self._inflow.write(render_end_of_input(self._master, in_line=self._in_line))
        return True  # what the worker writes still goes out

    def signal_received(self, signal: str) -> None:
        if self._forker and signal in FORWARDED_SIGNALS:
            with contextlib.suppress(OSError):
                self._forker.send(f"{signal}\n".encode())

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._master is not None:
            set_size(self._master, width, height)

    def pause_writing(self) -> None:
        for outflow in self._outflows:
            outflow.pause()

    def resume_writing(self) -> None:
        for outflow in self._outflows:
            outflow.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """The person has gone. The worker goes on; it sees its streams closed."""
        self._close()
        if self._task:
            self._task.cancel()
        self._at_end()

    # The worker

    def _open_pipes(self) -> list[int]:
        stdin = open_pipe(ours_reads=False)
        stdout, stderr = open_pipe(ours_reads=True), open_pipe(ours_reads=True)
        self._inflow = Inflow(stdin.ours, self._chan.pause_reading, self._chan.resume_reading)
        self._add_outflow(stdout.ours, None)
        self._add_outflow(stderr.ours, asyncssh.EXTENDED_DATA_STDERR)
        return [stdin.theirs, stdout.theirs, stderr.theirs]

    def _open_terminal(self) -> list[int]:
        assert self._terminal
        self._master, slave = open_terminal(self._terminal.columns, self._terminal.rows, self._modes)
        self._inflow = Inflow(os.dup(self._master), self._chan.pause_reading, self._chan.resume_reading)
        self._add_outflow(os.dup(self._master), None)
        return [slave]

    def _add_outflow(self, fd: int, datatype: int | None) -> None:
        def take(data: bytes) -> None:
            with contextlib.suppress(OSError):  # the channel closes: connection_lost is on its way
                self._chan.write(data, datatype)

        self._open_outflows += 1
        self._outflows.append(Outflow(fd, take, self._end_outflow))

    def _end_outflow(self) -> None:
        self._open_outflows -= 1
        if not self._open_outflows:
            self._outflows_ended.set()

    async def _run(self, streams: list[int]) -> None:
        """Hand the session over, wait for its end, pass the last output and the exit status on."""
        try:
            answer = await self._ask_forker(streams)
            for outflow in self._outflows if self._master is None else ():
                outflow.drain()
            with contextlib.suppress(TimeoutError):
                limit_s = None if self._master is None else LAST_WORDS_S
                await asyncio.wait_for(self._outflows_ended.wait(), limit_s)
            self._finish(answer)
        except OSError:
            _log.exception("session not started: person=%s", self._person)
            self._finish(None)
        finally:
            self._close()

    async def _ask_forker(self, streams: list[int]) -> dict[str, int] | None:
        try:
            self._forker = await _connect_forker(self._layout)
            environment = self._chan.get_environment()
            kept = {name: environment[name] for name in ENVIRONMENT if name in environment}
            request = Request(self._person, self._command, self._terminal, kept, _render_address(self._chan))
            send_request(self._forker, request, streams)
        finally:
            for fd in streams:
                os.close(fd)
        line = await _read_line(self._forker)
        answer: dict[str, int] | None = json.loads(line) if line else None
        return answer

    def _finish(self, answer: dict[str, int] | None) -> None:
        with contextlib.suppress(OSError):
            if answer and "status" in answer:
                self._chan.exit(answer["status"])
                return
            crash_id = secrets.token_hex(3)
            how = signal.Signals(answer["signal"]).name if answer else "lost"
            _log.error("session crashed: id=%s person=%s how=%s", crash_id, self._person, how)
            self._chan.write_stderr(_CRASHED.format(crash_id=crash_id, how=how).encode())
            self._chan.exit(1)

    def _close(self) -> None:
        if self._inflow:
            self._inflow.close()
        for outflow in self._outflows:
            outflow.close()
        if self._master is not None:
            os.close(self._master)
            self._master = None
        if self._forker:
            self._forker.close()
            self._forker = None


_CRASHED = """Something is wrong in toppcloud itself ({crash_id}): the process of this session was ended ({how}).
The node's log tells more under {crash_id}. Other sessions and all apps go on.
"""


def _render_address(chan: asyncssh.SSHServerChannel[bytes]) -> str:
    host, port, *_ = chan.get_extra_info("sockname")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _connect_forker(layout: Layout) -> socket.socket:
    """A connection to the forker; waits for one that is just being started again."""
    deadline = asyncio.get_running_loop().time() + FORKER_WAIT_S
    while True:
        try:
            connection = connect_unix(layout.sessions_socket, timeout_s=FORKER_WAIT_S)
            connection.setblocking(False)
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.05)


async def _read_line(connection: socket.socket) -> bytes:
    """The one line that comes back; empty when the forker has gone."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            more = await asyncio.get_running_loop().sock_recv(connection, 4096)
        except ConnectionError:
            return b""
        if not more:
            return b""
        data += more
    return data
