"""Leads connections from a held socket to a program that can only listen on its own $PORT.

Runs on its own (`python -I -S deploy/relay.py SPEC.json`). The spec is the launcher's; its "port_file" is that of the
program. It takes a connection only when it has one to the program: whoever comes while that starts anew waits in the
socket, where the doorman can answer instead. On SIGTERM it accepts no more, ends when the last connection does, and
leaves what still queues to the doorman.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120

from deploy.forwarder import Forwarder
from deploy.launcher import become, redirect_streams, take_socket
from deploy.listeners import find_listeners
from deploy.port_file import read_port_file

_PAUSE_S = 0.01
_CONNECT_S = 0.005
_LOOK_PAUSE_S = 0.25
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class ProgramPort:
    """Where the program listens: asked of its port file, and forgotten when that run of it ends.

    The first time that the port of a run answers, the kernel is asked whose it is: between two runs, or when two
    programs chose the same, it may be another app's.
    """

    def __init__(self, port_file: Path) -> None:
        self._port_file = port_file
        self._port = 0
        self._pid = 0
        self._run = -1
        """A pidfd."""
        self._is_known = False
        self._look_at = 0.0

    def connect(self) -> socket.socket | None:
        """A connection to it; None while it does not listen, or takes no more: ask again a little later."""
        if not self._goes_on() and not self._find_run():
            return None
        for family, address in _LOOPBACK.items():
            program = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            status = program.connect_ex((address, self._port))
            if status == errno.EINPROGRESS and _poll(program.fileno(), select.POLLOUT, _CONNECT_S):
                status = program.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status == 0 and self._is_its_own():
                program.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return program
            program.close()
            if status == errno.EINPROGRESS:
                break  # its queue is full: one that is begun anew gets in sooner than one that hangs there
        return None

    def _goes_on(self) -> bool:
        return self._run >= 0 and not _poll(self._run, select.POLLIN, 0)

    def _find_run(self) -> bool:
        if self._run >= 0:
            os.close(self._run)
        self._run, self._is_known, self._look_at = -1, False, 0.0
        found = read_port_file(self._port_file)
        if found is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            self._run = os.pidfd_open(found.pid)
            self._port, self._pid = found.port, found.pid
        return self._run >= 0 and found.is_current

    def _is_its_own(self) -> bool:
        if not self._is_known and time.monotonic() >= self._look_at:
            self._is_known = any(listener.port == self._port for listener in find_listeners(self._pid))
            self._look_at = time.monotonic() + _LOOK_PAUSE_S
        return self._is_known


def _poll(fd: int, events: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, events)
    return bool(poll.poll(timeout_s * 1000))


class Relay:
    """Between one listening socket and one program."""

    def __init__(self, listener: socket.socket, port: ProgramPort) -> None:
        listener.setblocking(False)
        self._listener, self._port = listener, port
        self._forwarder = Forwarder()
        self._is_watching = False
        self._watch_at = 0.0
        self._is_ending = False

    def run(self) -> None:
        """Relay until SIGTERM, then until the last connection ends."""
        ended, told = socket.socketpair()
        told.setblocking(False)
        signal.set_wakeup_fd(told.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        self._forwarder.selector.register(ended, selectors.EVENT_READ)
        while not (self._is_ending and self._forwarder.is_idle):
            if not self._is_ending and not self._is_watching and time.monotonic() >= self._watch_at:
                self._watch(True)
            ready = self._forwarder.turn(None if self._is_watching or self._is_ending else _PAUSE_S)
            if any(key.fileobj is ended for key in ready):
                self._is_ending = True
                self._forwarder.selector.unregister(ended)
                self._watch(False)
            elif ready:
                self._take()

    def _take(self) -> None:
        """Take one of those who wait. The program comes first: without it they wait better where they are."""
        program = None
        with contextlib.suppress(OSError):  # out of descriptors, or another relay of this socket was quicker
            program = self._port.connect()
            if program:
                self._forwarder.join(self._listener.accept()[0], program)
                return
        if program:
            program.close()
        self._watch(False)
        self._watch_at = time.monotonic() + _PAUSE_S

    def _watch(self, is_wanted: bool) -> None:
        if is_wanted != self._is_watching:
            selector = self._forwarder.selector
            selector.register(self._listener, selectors.EVENT_READ) if is_wanted else selector.unregister(
                self._listener
            )
        self._is_watching = is_wanted


def main(spec_path: str) -> None:
    with open(spec_path, "rb") as file:  # noqa: PTH123
        spec = json.load(file)
    os.chdir(spec["root"])
    redirect_streams(spec["output"], spec["program"], spec["uid"])
    listener = socket.socket(fileno=take_socket(spec["socket"]))
    become(spec["uid"], spec["gid"])
    Relay(listener, ProgramPort(Path(spec["port_file"]))).run()


if __name__ == "__main__":
    main(sys.argv[1])
