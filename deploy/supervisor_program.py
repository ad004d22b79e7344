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

from deploy.adopted_process import AdoptedProcesses
from deploy.process_record import ProcessRecord, has_group, has_living_members, mark_process, record_process
from deploy.program_child import HANDLED, prepare_child
from deploy.program_events import tell_event
from deploy.program_signals import signal_group
from deploy.program_table import ProgramTable

QUICK_RETRIES = 2
LONGEST_DELAY_S = 30.0
LIVED_S = 10.0
"""Who lived so long is not crash-looping."""
_ORPHANS_S = 2.0
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
        self._supervisor = os.getpid()
        self.status: int | None = None
        """Exit status of the last run; negative for a signal."""
        self._quick_exits = 0
        self._respawn_at = 0.0
        self._orphans: int | None = None
        """The group whose leader has ended while others of it live on."""
        self._orphans_until = 0.0
        self._adopted: AdoptedProcesses | None = None
        """Who watches it, when an earlier supervisord started it."""
        self._pidfd = -1
        self._are_strangers = False
        """Its processes are no children of ours."""

    @property
    def state_name(self) -> str:
        if self.get_state() == ProcessStates.EXITED and self._respawn_at > time.time():
            return "BACKOFF"
        return str(getProcessStateDescription(self.get_state()))

    @property
    def next_try(self) -> float:
        """When it is started again (seconds since 1970); 0 unless it waits for that."""
        return self._respawn_at if self.state_name == "BACKOFF" else 0.0

    def get_state(self) -> int:
        """It has not stopped before all of its group have."""
        state: int = ProcessStates.STOPPING if self._orphans else self.state
        return state

    def change_state(self, new_state: int, expected: bool = True) -> None:
        super().change_state(new_state, expected)
        self.config.table.wake(self.config.name)

    @property
    def is_settled(self) -> bool:
        """It just runs or just rests: nothing about it changes but by an end or a call."""
        if self._orphans:
            return False
        rests = self.state == ProcessStates.STOPPED and (self.laststart or not self.config.autostart)
        return bool(rests) or self.state in (ProcessStates.RUNNING, ProcessStates.FATAL)

    def take_over(self, record: ProcessRecord, adopted: AdoptedProcesses) -> None:
        """Go on from what an earlier supervisord recorded: watch what lives, start again what has died since."""
        if record.stop_s is not None:
            self.config.stopwaitsecs = record.stop_s
        self.laststart = record.started_at
        self.spawns = 1 if record.pid else 0
        self._are_strangers = True
        try:
            self._pidfd = adopted.watch(record, self._lose)
        except ProcessLookupError:
            self._take_over_ended(record)
            return
        self._adopted, self.pid = adopted, record.pid
        self.change_state(ProcessStates.RUNNING)
        if record.was_told:
            self.killing, self.delay = True, time.time() + self.config.stopwaitsecs
            self.change_state(ProcessStates.STOPPING)
        elif record.is_stopping:
            self.stop()
            mark_process(self.config.name, "told")

    def _take_over_ended(self, record: ProcessRecord) -> None:
        if record.pid and has_living_members(record.pid):
            self._await_orphans(record.pid, self.config.stopwaitsecs if record.is_stopping else _ORPHANS_S)
        if record.is_stopping:
            self.laststart = self.laststart or time.time()
        elif record.is_wanted:
            self.change_state(ProcessStates.EXITED)
        elif record.pid:
            self.change_state(ProcessStates.EXITED)
            tell_event(self.config.name, "exited", asked=False, spawns=self.spawns)

    def look(self) -> None:
        """See the end of an adopted process that the loop has not come to yet."""
        if self._adopted:
            self._adopted.look(self._pidfd)

    def _lose(self) -> None:
        self._adopted = None
        self.config.options.logger.info(f"{self.config.name}: adopted, so how it ended is not known")
        self.finish(self.pid, None)

    def begin(self) -> None:
        """Start it now, unless it runs. Crashes of the past count no more."""
        self._quick_exits, self._respawn_at = 0, 0.0
        if self.state in RUNNING_STATES:
            return
        if self._orphans:
            self.change_state(ProcessStates.EXITED)  # the next turn after their end starts it
            record_process(self.config.name, self._orphans, self.config.path)
            return
        record_process(self.config.name, 0, self.config.path, "start")  # or who asked for it would be told a lie
        self.spawn()
        self.transition()

    def end(self, *, is_wish: bool = True) -> None:
        """Stop it and keep it stopped; what is not running forgets that it was to be started again.

        When all of the node stops, that is nobody's wish for this one, and is not recorded as such.
        """
        if is_wish and (self.get_state() not in (ProcessStates.STOPPING, ProcessStates.STOPPED) or not self.laststart):
            mark_process(self.config.name, f"stop {self.config.stopwaitsecs}")
        if self.state in (*RUNNING_STATES, ProcessStates.BACKOFF):
            self.stop()
            mark_process(self.config.name, "told")
        elif self.state == ProcessStates.EXITED:
            self.change_state(ProcessStates.STOPPED)
        self.laststart = self.laststart or time.time()  # or a stale list of supervisord's would still autostart it

    @property
    def is_over(self) -> bool:
        return self.get_state() in STOPPED_STATES

    def kill(self, number: int) -> str | None:
        """What is frozen hears nothing until it is thawed."""
        pid = self.pid
        refusal: str | None = super().kill(number)
        if pid and number != signal.SIGKILL:
            signal_group(pid, signal.SIGCONT)
        return refusal

    def spawn(self) -> int | None:
        self.spawns += 1
        self._are_strangers = False
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid: int | None = super().spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        if pid:
            with contextlib.suppress(OSError):  # it has done so itself, and perhaps runs its program by now
                os.setpgid(pid, pid)
            tell_event(self.config.name, "started", spawns=self.spawns)
        return pid

    def _spawn_as_child(self, filename: str, argv: list[str]) -> None:
        prepare_child(self.config.name, self.config.path, self._supervisor)
        super()._spawn_as_child(filename, argv)

    def finish(self, pid: int, status: int | None) -> None:
        """It has ended. The status is None when an earlier supervisord was the one to be told."""
        was_asked = self.killing
        super().finish(pid, status or 0)
        self.status = None if status is None else os.waitstatus_to_exitcode(status)
        now = time.time()
        was_killed = self.status in (None, -signal.SIGKILL) and "." not in self.config.name
        if not was_asked and not was_killed:  # what kills a program of the node itself is not its own fault
            self._quick_exits = 0 if now - self.laststart > LIVED_S else self._quick_exits + 1
            self._respawn_at = now + choose_delay_s(self._quick_exits)
        if self._has_members(pid):
            self._await_orphans(pid, self.config.stopwaitsecs if was_asked else _ORPHANS_S)
        until = 0.0 if was_asked else self._respawn_at
        tell_event(self.config.name, "exited", self.status, asked=was_asked, until=until, spawns=self.spawns)

    def transition(self) -> None:
        if self._orphans and not self._end_orphans(self._orphans):
            return
        if self.state == ProcessStates.EXITED and time.time() < self._respawn_at:
            return
        super().transition()
        if self.is_settled:
            self.config.table.settle(self.config.name)

    def _await_orphans(self, group: int, limit_s: float) -> None:
        self._orphans, self._orphans_until = group, time.time() + limit_s
        self.config.table.wake(self.config.name)
        signal_group(group, signal.SIGTERM)
        signal_group(group, signal.SIGCONT)

    def _end_orphans(self, group: int) -> bool:
        if self._has_members(group):
            if time.time() > self._orphans_until:
                signal_group(group, signal.SIGKILL)
            return False
        self._orphans = None
        return True

    def _has_members(self, group: int) -> bool:
        """Whether others of its group live. Dead strangers are not ours to reap, and perhaps nobody does."""
        return has_living_members(group) if self._are_strangers else has_group(group)

    def _prepare_child_fds(self) -> None:
        for fd, name in enumerate(("child_stdin", "child_stdout", "child_stderr")):
            os.dup2(self.pipes[name], fd)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))


class ProgramConfig(ProcessConfig):  # type: ignore[misc]
    """Configuration of a Program: output goes straight into a file, supervisord keeps no pipe."""

    path = ""
    """The INI file that it was read from."""
    table: ProgramTable
    """What it is in."""

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
