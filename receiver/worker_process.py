"""The start and the end of a worker process, right after fork: its own session, streams, limits and signals."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import resource
import signal
import sys
import termios
import traceback
from typing import NoReturn

from deploy.repair import repair_apps
from receiver.handover import read_request
from receiver.session import Session
from receiver.worker import serve_session
from toppcloud.node import Node

_LOG_FD = 3
_FIRST_OTHER_FD = 4


def run_worker(node: Node, descriptors: list[int]) -> NoReturn:
    """Serve the session whose handover is `descriptors`, and end the process with its status."""
    status = 70  # EX_SOFTWARE, should even the telling fail
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        request = read_request(os.dup(descriptors[0]))
        _take_streams(descriptors[1:])
        _limit(node)
        session = Session(
            node,
            request.person,
            os.fdopen(0, "rb", closefd=False),
            os.fdopen(1, "wb", closefd=False),
            os.fdopen(2, "wb", closefd=False),
            request.terminal,
            request.environment,
            request.address,
        )
        status = serve_session(session, request.command)
        with contextlib.suppress(OSError):
            session.stdout.flush()
    except BaseException:
        os.write(_LOG_FD, traceback.format_exc().encode())
    finally:
        os._exit(status)


def run_repair(node: Node) -> NoReturn:
    """Repair all apps after a worker was killed, in a process that nobody waits for, and end it."""
    status = 70
    try:
        if os.fork() == 0:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            repair_apps(node)
        status = 0
    except BaseException:
        logging.getLogger(__name__).exception("repairing failed")
    finally:
        os._exit(status)


def _take_streams(streams: list[int]) -> None:
    """Make `streams` 0, 1 and 2 (one pty: all three, and the controlling terminal); keep the log, close all else."""
    streams = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in streams]
    os.dup2(sys.stderr.fileno(), _LOG_FD, inheritable=False)
    for number, fd in enumerate(streams * 3 if len(streams) == 1 else streams):
        os.dup2(fd, number)
    os.closerange(_FIRST_OTHER_FD, os.sysconf("SC_OPEN_MAX"))
    if len(streams) == 1:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    log = logging.StreamHandler(os.fdopen(_LOG_FD, "w", closefd=False))
    log.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logging.getLogger().handlers[:] = [log]


def _limit(node: Node) -> None:
    size = node.settings.session_memory_mb * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))  # programs of apps may have more: `run` lifts it again
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    os.umask(0o022)
