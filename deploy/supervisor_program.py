"""One process under supervisord as the node wants it. See supervisor_extension.py, which adds and removes them.

Source: supervisor 4.3, supervisor/{process,options}.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from supervisor.options import ProcessConfig
from supervisor.process import Subprocess
from supervisor.states import RUNNING_STATES, STOPPED_STATES, ProcessStates, getProcessStateDescription

from deploy.process_record import forget_process, record_process

QUICK_RETRIES = 2
LONGEST_DELAY_S = 30.0
LIVED_S = 10.0
"""Who lived so long is not crash-looping."""
_ORPHANS_S = 2.0
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)
_DEFAULT_OUTPUT = "log/programs.log"


def choose_delay_s(quick_exits: int) -> float:
    """Seconds to wait after so many quick exits in a row: 0, 0, 1, 2, 4, … 30."""
    return 0.0 if quick_exits <= QUICK_RETRIES else min(LONGEST_DELAY_S, 2.0 ** (quick_exits - QUICK_RETRIES - 1))


class Program(Subprocess):  # type: ignore[misc] # supervisor has no types
    """One process under supervisord, and the process group that it leads."""

    laststart: float

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.spawns = 0
        self.status: int | None = None
        """Exit status of the last run; negative for a signal."""
        self._quick_exits = 0
        self._respawn_at = 0.0
        self._orphans: int | None = None
        """The group whose leader has ended while others of it live on."""
        self._orphans_until = 0.0

    @property
    def state_name(self) -> str:
        if self.get_state() == ProcessStates.EXITED and self._respawn_at > time.time():
            return "BACKOFF"
        return str(getProcessStateDescription(self.get_state()))

    def get_state(self) -> int:
        """It has not stopped before all of its group have."""
        state: int = ProcessStates.STOPPING if self._orphans else self.state
        return state

    def begin(self) -> None:
        """Start it now, unless it runs. Crashes of the past count no more."""
        self._quick_exits, self._respawn_at = 0, 0.0
        if self.state in RUNNING_STATES:
            return
        if self._orphans:
            self.change_state(ProcessStates.EXITED)  # the next turn after their end starts it
            return
        self.spawn()
        self.transition()

    def end(self) -> None:
        """Stop it and keep it stopped; what is not running forgets that it was to be started again."""
        if self.state in (*RUNNING_STATES, ProcessStates.BACKOFF):
            self.stop()
        elif self.state == ProcessStates.EXITED:
            self.change_state(ProcessStates.STOPPED)
        self.laststart = self.laststart or time.time()  # or a stale list of supervisord's would still autostart it

    @property
    def is_over(self) -> bool:
        return self.get_state() in STOPPED_STATES

    def spawn(self) -> int | None:
        self.spawns += 1
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            pid: int | None = super().spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        if pid:
            record_process(self.config.name, pid)
        return pid

    def _spawn_as_child(self, filename: str, argv: list[str]) -> None:
        """Before exec, supervisord's own handlers would swallow a stop that comes right after the start."""
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        super()._spawn_as_child(filename, argv)

    def finish(self, pid: int, status: int) -> None:
        was_asked = self.killing
        super().finish(pid, status)
        self.status = os.waitstatus_to_exitcode(status)
        now = time.time()
        was_killed = self.status == -signal.SIGKILL and "." not in self.config.name
        if not was_asked and not was_killed:  # what kills a program of the node itself is not its own fault
            self._quick_exits = 0 if now - self.laststart > LIVED_S else self._quick_exits + 1
            self._respawn_at = now + choose_delay_s(self._quick_exits)
        if _has_members(pid):
            self._orphans = pid
            self._orphans_until = now + (self.config.stopwaitsecs if was_asked else _ORPHANS_S)
            _signal_group(pid, signal.SIGTERM)
        else:
            forget_process(self.config.name)

    def transition(self) -> None:
        if self._orphans and not self._end_orphans(self._orphans):
            return
        if self.state == ProcessStates.EXITED and time.time() < self._respawn_at:
            return
        super().transition()

    def _end_orphans(self, group: int) -> bool:
        if _has_members(group):
            if time.time() > self._orphans_until:
                _signal_group(group, signal.SIGKILL)
            return False
        self._orphans = None
        forget_process(self.config.name)
        return True

    def _prepare_child_fds(self) -> None:
        for fd, name in enumerate(("child_stdin", "child_stdout", "child_stderr")):
            os.dup2(self.pipes[name], fd)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))


class ProgramConfig(ProcessConfig):  # type: ignore[misc]
    """Configuration of a Program: output goes straight into a file, supervisord keeps no pipe."""

    def make_process(self, group: Any = None) -> Program:
        program = Program(self)
        program.group = group
        return program

    def create_autochildlogs(self) -> None:
        """None are ever made."""

    @property
    def output(self) -> str:
        return self.stdout_logfile if isinstance(self.stdout_logfile, str) else _DEFAULT_OUTPUT

    def make_dispatchers(self, _program: Program) -> tuple[dict[int, Any], dict[str, int | None]]:
        output = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        child = {
            "child_stdin": os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC),
            "child_stdout": output,
            "child_stderr": os.dup(output),
        }
        return {}, {**child, "stdin": None, "stdout": None, "stderr": None}


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
