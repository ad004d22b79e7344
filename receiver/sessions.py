"""The forker: everything that sessions need is imported here once, and each session is a fork of it.

Single-threaded, and small in what it does: it takes descriptors, forks, passes signals on, reaps, and tells the front
door how each worker ended. It reads no command and no key.
    python -I -m receiver.sessions --root ROOT
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from receiver.command import Where
from receiver.handover import FORWARDED_SIGNALS, receive_descriptors
from receiver.quarantine import sweep_quarantines
from receiver.table import COMMANDS
from receiver.worker_process import run_repair, run_worker
from toppcloud.app_layout import RepositoryLayout
from toppcloud.layout import Layout
from toppcloud.lock import read_holder
from toppcloud.node import Node, open_node
from toppcloud.unix import listen_unix

STOP_AFTER_S = 8.0
_log = logging.getLogger("receiver.sessions")


@dataclass
class Worker:
    """A process that serves a session. `door` is closed once nobody waits for its end."""

    pid: int
    pidfd: int
    door: socket.socket


class Forker:
    """Serves handovers until it is told to stop."""

    def __init__(self, node: Node, listener: socket.socket) -> None:
        self._node = node
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._workers: dict[int, Worker] = {}
        self._stops_at: float | None = None
        self._wakening = os.eventfd(0)  # a signal alone does not end the wait in select
        self._selector.register(self._wakening, selectors.EVENT_READ)

    def stop(self) -> None:
        """Take no more sessions, ask those that run to end, and give them a while."""
        if self._stops_at is None:
            self._stops_at = time.monotonic() + STOP_AFTER_S
            os.eventfd_write(self._wakening, 1)
            self._selector.unregister(self._listener)
            self._listener.close()
            self._signal_all(signal.SIGTERM)

    def serve(self) -> None:
        self._repair_left_overs()
        while self._stops_at is None or (self._workers and time.monotonic() < self._stops_at):
            for key, _ in self._selector.select(None if self._stops_at is None else 0.1):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fd == self._wakening:
                    self._selector.unregister(self._wakening)
                elif isinstance(key.data, Worker) and key.fd == key.data.pidfd:
                    self._reap(key.data)
                elif isinstance(key.data, Worker) and key.data.pid in self._workers:
                    self._pass_signals(key.data)
        self._signal_all(signal.SIGKILL)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            door, _ = self._listener.accept()
            door.settimeout(1.0)  # the message is sent right after connecting
            descriptors = receive_descriptors(door)
            try:
                if len(descriptors) in (2, 4):
                    self._fork(door, descriptors)
                else:
                    door.close()
            finally:
                for fd in descriptors:
                    os.close(fd)

    def _fork(self, door: socket.socket, descriptors: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            run_worker(self._node, descriptors)  # never returns
        worker = Worker(pid, os.pidfd_open(pid), door)
        self._workers[pid] = worker
        door.setblocking(False)
        self._selector.register(worker.pidfd, selectors.EVENT_READ, worker)
        self._selector.register(door, selectors.EVENT_READ, worker)

    def _repair_left_overs(self) -> None:
        """A worker may have died with the forker before us, in the middle of a change. The node's start sees to that
        itself."""
        if read_holder(self._node.layout.node_lock) is None:
            self._fork_repair()

    def _fork_repair(self) -> None:
        """A worker was killed, perhaps in the middle of a change: another process finishes or undoes it."""
        pid = os.fork()
        if pid == 0:
            run_repair(self._node)  # never returns
        os.waitpid(pid, 0)  # it has forked the process that does the work, and ended

    def _reap(self, worker: Worker) -> None:
        _, status = os.waitpid(worker.pid, 0)
        del self._workers[worker.pid]
        self._selector.unregister(worker.pidfd)
        os.close(worker.pidfd)
        code = os.waitstatus_to_exitcode(status)
        answer = {"status": code} if code >= 0 else {"signal": -code}
        if code < 0 and self._stops_at is None:
            self._fork_repair()
        if worker.door.fileno() >= 0:
            with contextlib.suppress(OSError):
                worker.door.send(json.dumps(answer).encode() + b"\n")
            self._forget_door(worker)

    def _pass_signals(self, worker: Worker) -> None:
        try:
            data = worker.door.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._forget_door(worker)  # the person has gone; the worker goes on
        for name in data.decode("ascii", "replace").split():
            if name in FORWARDED_SIGNALS:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(worker.pidfd, signal.Signals[f"SIG{name}"])

    def _forget_door(self, worker: Worker) -> None:
        if worker.door.fileno() >= 0:
            self._selector.unregister(worker.door)
            worker.door.close()

    def _signal_all(self, number: signal.Signals) -> None:
        for worker in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(worker.pidfd, number)


def main(words: list[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="receiver.sessions")
    parser.add_argument("--root", type=Path, required=True)
    root: Path = parser.parse_args(words).root
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    node = open_node(root)
    preload()
    sweep_quarantines_of(node.layout)
    forker = Forker(node, _listen(node.layout))
    signal.signal(signal.SIGTERM, lambda number, frame: forker.stop())
    signal.signal(signal.SIGINT, lambda number, frame: forker.stop())
    _log.info("ready: pid=%d", os.getpid())
    forker.serve()


def sweep_quarantines_of(layout: Layout) -> None:
    """Remove what pushes left in any repository when the machine, or their worker, died."""
    for name in layout.app_names():
        try:
            sweep_quarantines(RepositoryLayout(layout.app(name).repository))
        except OSError:
            _log.exception("quarantines not swept: app=%s", name)


def preload() -> None:
    """Import all that commands need, so that no session waits for it. One that cannot be imported fails by itself."""
    here = [command for command in COMMANDS.values() if command.where is not Where.LAPTOP]
    modules = {command.handler.partition(":")[0] for command in here} | {
        "receiver.push_session",
        "receiver.upload_pack",
    }
    for name in sorted(modules):
        try:
            importlib.import_module(name)
        except Exception:
            _log.exception("not imported: module=%s", name)
    gc.collect()
    gc.freeze()  # a collection in a worker would copy all these pages


def _listen(layout: Layout) -> socket.socket:
    layout.run.mkdir(exist_ok=True)
    listener = listen_unix(layout.sessions_socket, mode=0o600)
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    main()
