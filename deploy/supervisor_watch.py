"""Starts supervisord again when it was killed. The doorman has one of these; supervisord has the doorman.

The new supervisord takes over what runs (supervisor_extension.py), so that nobody notices but its log. An orderly end
is left alone, and so is a node that is being started or stopped: who holds its lock knows better.
Source: pidfd_open(2): readable once the process has ended, whoever its parent is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import threading
import time

from deploy.process_record import ProcessRecord, read_process
from deploy.supervisor import Supervisor
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.lock import LockBusy, hold_lock
from toppcloud.program import BASE_PATH, start_detached

NAME = "supervisord"
_UP_TIMEOUT_S = 20.0
_DYING_S = 1.0
_POLL_S = 0.01
_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_log = logging.getLogger(__name__)


class SupervisorWatch:
    """Has supervisord run for as long as this process does.

    The doorman, once its control socket is open: `SupervisorWatch(layout).begin()`. A thread of its own waits, so it
    also does when the doorman's loop is busy, which may itself be waiting for an answer of supervisord. Nothing else
    is to be called, and nothing needs to be closed.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def begin(self) -> None:
        """Watch from now on. A supervisord that is dead already is started at once."""
        threading.Thread(target=self.watch, name="supervisor-watch", daemon=True).start()

    def watch(self) -> None:
        """Wait for its end, start it again, for ever."""
        pause_s = _PAUSE_S
        while True:
            try:
                self._wait_until_it_ends()
                pause_s = _PAUSE_S if self.restart() else min(_LONGEST_PAUSE_S, pause_s * 2)
            except Exception:
                _log.exception("supervisord could not be started again; it is tried again in %.1f s", pause_s)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            time.sleep(0 if self._read_living() else pause_s)

    def restart(self) -> bool:
        """Start a new one where none lives and nobody stopped it. Returns whether one answers then.

        Raises ToppcloudError when it does not come up.
        """
        try:
            with hold_lock(self._layout.node_lock, by="doorman", doing="starting supervisord again"):
                record = read_process(self._layout.pids, NAME)
                if record is None or record.is_stopping:
                    return False
                if not record.is_alive:
                    _log.warning("supervisord was killed; it is started again")
                    revive_supervisor(self._layout, os.environ.get("PATH", ""))
                return True
        except LockBusy:
            return False

    def _wait_until_it_ends(self) -> None:
        record = self._read_living()
        if record is None:
            return
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(record.pid)
            try:
                if record.is_alive:  # the pid that was opened is its own, not a later process's
                    waiting = select.poll()
                    waiting.register(fd, select.POLLIN)
                    waiting.poll()
            finally:
                os.close(fd)
        _has_ended(record.pid)

    def _read_living(self) -> ProcessRecord | None:
        record = read_process(self._layout.pids, NAME)
        return record if record is not None and record.is_alive else None


def was_killed(layout: Layout) -> bool:
    """Whether supervisord is gone without having been stopped, while the sockets of apps are still held.

    One that does not answer and has not quite ended is waited for, a moment.
    """
    deadline = time.monotonic() + _DYING_S
    while True:
        supervisord, holder = read_process(layout.pids, NAME), read_process(layout.pids, "holder")
        if supervisord is None or supervisord.is_stopping or holder is None or not holder.is_alive:
            return False
        if not supervisord.is_alive:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)


def revive_supervisor(layout: Layout, path: str) -> None:
    """Start the successor of one that was killed, and wait until it has taken over what runs. Needs the node's lock.

    Raises ToppcloudError when it does not come up.
    """
    layout.supervisor_socket.unlink(missing_ok=True)  # supervisord sleeps 0.3 s when it finds an old one
    pid = start_supervisor(layout, path)
    deadline = time.monotonic() + _UP_TIMEOUT_S
    while not Supervisor(layout, patience_s=0.0).is_running():
        if _has_ended(pid) or time.monotonic() > deadline:
            log = layout.program_log(f"{NAME}-errors")
            raise ToppcloudError("supervisord does not come up.", "", f"Its output: {log}")
        time.sleep(_POLL_S)


def start_supervisor(layout: Layout, path: str) -> int:
    """Start supervisord with the root as its current directory and a made environment; PATH is `path`. Its pid."""
    folders = [folder for folder in path.split(":") if folder.startswith("/")]
    return start_detached(
        [sys.executable, "-I", "-m", "supervisor.supervisord", "-c", layout.supervisor_conf],
        env={"PATH": ":".join(folders) or BASE_PATH, "LANG": "C.UTF-8", "HOME": str(layout.root)},
        cwd=layout.root,
        output=layout.program_log(f"{NAME}-errors"),
    )


def _has_ended(pid: int) -> bool:
    """Whether our child has; reaps it. False for what is no child of ours."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return False
