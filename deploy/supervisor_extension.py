"""What supervisord lacks, as its `rpcinterface`: programs that come and go one by one, in constant time.

Loaded by supervisord (`[rpcinterface:toppcloud]`), whose current directory is the node's root. Differences from its own
programs: a crash is seen and mended at once (supervisord looks once a second), twice without delay and then with an
exponential one; output never passes through supervisord; a stop waits for the whole process group; each process is
recorded in run/pids; on shutdown all programs stop at once.
Source: supervisor 4.3, supervisor/{process,options,rpcinterface,supervisord}.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ProcessConfig, ProcessGroupConfig, UnhosedConfigParser
from supervisor.process import Subprocess
from supervisor.states import RUNNING_STATES, STOPPED_STATES, ProcessStates, getProcessStateDescription
from supervisor.xmlrpc import Faults, RPCError

from deploy.process_record import forget_process, record_process

QUICK_RETRIES = 2
LONGEST_DELAY_S = 30.0
LIVED_S = 10.0
"""Who lived so long is not crash-looping."""
NODE_STOP_S = 10
"""When the node stops, requests under way get so long at most."""
_ORPHANS_S = 2.0
_LARGEST_LOG_BYTES = 10 * 1024**2
_PR_SET_CHILD_SUBREAPER = 36
_PROGRAMS = ("run/programs/*.ini", "services/*/program.ini")
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)
_DEFAULT_OUTPUT = "log/programs.log"


def make_interface(supervisord: Any) -> ToppcloudInterface:
    """Called by supervisord once, before its main loop."""
    interface = ToppcloudInterface(supervisord)
    _wake_on_child(supervisord)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans' ends are ours to see
    events.subscribe(events.SupervisorStoppingEvent, interface.stop_all)
    events.subscribe(events.Tick60Event, interface.trim_logs)
    record_process("supervisord", os.getpid())
    for pattern in _PROGRAMS:
        for path in sorted(Path().glob(pattern)):
            interface.add(str(path))
    return interface


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


class ToppcloudInterface:
    """The methods that deploy/supervisor.py calls. All return at once."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def add(self, path: str) -> bool:
        """Take up the programs of an INI file; one that is known and stopped is replaced, a running one stays."""
        options = self._supervisord.options
        parser = UnhosedConfigParser()
        parser.expansions = options.environ_expansions
        if not parser.read(path):
            raise RPCError(Faults.NO_FILE, path)
        for section in parser.sections():
            try:
                name = section.removeprefix("program:")
                configs = options.processes_from_section(parser, section, name, ProgramConfig)
            except ValueError as error:
                raise RPCError(Faults.FAILED, str(error)) from error
            self._take_up(name, ProcessGroupConfig(options, name, configs[0].priority, configs))
        return True

    def start(self, name: str) -> bool:
        self._supervisord.reap()  # or a start just after a crash would meet the dead one
        self._find(name).begin()
        return True

    def stop(self, name: str) -> bool:
        """One that is not known has stopped: two may want its end."""
        self._supervisord.reap()
        if name in self._supervisord.process_groups:
            self._find(name).end()
        return True

    def remove(self, name: str) -> bool:
        """Forget a program, if it is known. Raises FAILED while it has not stopped."""
        self._supervisord.reap()
        if name not in self._supervisord.process_groups:
            return True
        program = self._find(name)
        if not program.is_over:
            raise RPCError(Faults.FAILED, f"{name} has not stopped")
        program.end()
        return bool(self._supervisord.remove_process_group(name))

    def states(self, prefix: str) -> list[dict[str, Any]]:
        """All programs whose name begins with `prefix`."""
        self._supervisord.reap()
        groups = self._supervisord.process_groups
        return [_describe(self._find(name)) for name in groups if name.startswith(prefix)]

    def state(self, name: str) -> dict[str, Any]:
        """One program; an empty struct when there is none of that name."""
        self._supervisord.reap()
        return _describe(self._find(name)) if name in self._supervisord.process_groups else {}

    def stop_all(self, _event: object) -> None:
        for group in self._supervisord.process_groups.values():
            for program in group.processes.values():
                program.config.stopwaitsecs = min(program.config.stopwaitsecs, NODE_STOP_S)
                program.end()

    def trim_logs(self, _event: object) -> None:
        """Keep logs of the node's own programs small: the old half-file is kept as `.1`. Lines are appended, so the
        writer goes on at the new end."""
        for path in {p.config.output for g in self._supervisord.process_groups.values() for p in g.processes.values()}:
            with contextlib.suppress(OSError), open(path, "r+b") as log:  # noqa: PTH123
                if os.fstat(log.fileno()).st_size > _LARGEST_LOG_BYTES:
                    with open(f"{path}.1", "wb") as kept:  # noqa: PTH123
                        os.sendfile(kept.fileno(), log.fileno(), 0, 2 * _LARGEST_LOG_BYTES)
                    log.truncate(0)

    def _find(self, name: str) -> Program:
        group = self._supervisord.process_groups.get(name)
        if group is None:
            raise RPCError(Faults.BAD_NAME, name)
        program: Program = next(iter(group.processes.values()))
        return program

    def _take_up(self, name: str, config: Any) -> None:
        known = self._supervisord.process_groups.get(name)
        if known and not next(iter(known.processes.values())).is_over:
            return
        self._supervisord.process_groups.pop(name, None)
        self._supervisord.add_process_group(config)


def _describe(program: Program) -> dict[str, Any]:
    value = {
        "name": program.config.name,
        "state": program.state_name,
        "pid": program.pid,
        "spawns": program.spawns,
        "started_at": float(program.laststart),
    }
    return value if program.status is None else {**value, "exit_status": program.status}


def _wake_on_child(supervisord: Any) -> None:
    """End supervisord's one-second wait when a signal comes: select(2) is otherwise just taken up again."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    asyncore.socket_map[reader.fileno()] = _Wakening(reader, writer, supervisord)


class _Wakening:
    """What supervisord's loop reads when a signal came: reaps at once, so that the same turn starts anew."""

    def __init__(self, reader: socket.socket, writer: socket.socket, supervisord: Any) -> None:
        self._reader, self._writer, self._supervisord = reader, writer, supervisord

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass
        self._supervisord.reap()

    def handle_error(self) -> None:
        raise


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
