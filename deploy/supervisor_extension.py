"""What supervisord lacks, as its `rpcinterface`: programs that come and go one by one, in constant time.

Loaded by supervisord (`[rpcinterface:toppcloud]`), whose current directory is the node's root. Differences from its own
programs: a crash is seen and mended at once (supervisord looks once a second), twice without delay and then with an
exponential one; output never passes through supervisord; a stop waits for the whole process group; on shutdown all
programs stop at once; and all that it knows is recorded in run/pids, so that after a kill -9 the next one takes over
what runs (supervisor_watch.py starts it).
Source: supervisor 4.3, supervisor/{process,options,rpcinterface,supervisord}.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ProcessGroupConfig, UnhosedConfigParser
from supervisor.xmlrpc import Faults, RPCError

from deploy.adopted_process import AdoptedProcesses
from deploy.process_record import (
    ProcessRecord,
    forget_process,
    has_living_members,
    mark_process,
    read_processes,
    record_process,
)
from deploy.program_table import ProgramTable
from deploy.router_errors import trim_router_errors
from deploy.supervisor_program import Program, ProgramConfig

NODE_STOP_S = 10
"""When the node stops, requests under way get so long at most."""
_LARGEST_LOG_BYTES = 10 * 1024**2
_PR_SET_CHILD_SUBREAPER = 36
_RECORDS = "run/pids"
_ROUTER_ERRORS = Path("cache/router/errors.log")
_PROGRAMS = ("run/programs/*.ini", "services/*/program.ini")


def make_interface(supervisord: Any) -> ToppcloudInterface:
    """Called by supervisord once, before its main loop."""
    interface = ToppcloudInterface(supervisord)
    _wake_on_child(supervisord)
    _hasten(supervisord.options.poller, interface.programs)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans' ends are ours to see
    events.subscribe(events.SupervisorStoppingEvent, interface.stop_all)
    events.subscribe(events.Tick60Event, interface.trim_logs)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # an adopted process costs a descriptor
    record_process("supervisord", os.getpid())
    interface.rebuild()
    return interface


class ToppcloudInterface:
    """The methods that deploy/supervisor.py calls. All return at once."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self.programs = supervisord.process_groups = ProgramTable()
        supervisord.get_process_map = dict  # programs have no output for its loop to wait for
        self._adopted = AdoptedProcesses()
        asyncore.socket_map[self._adopted.fd] = self._adopted

    def rebuild(self) -> None:
        """Know all programs of the node, and what an earlier supervisord knew: its processes are taken over."""
        records = [record for record in read_processes(Path(_RECORDS)) if record.program]
        own = [str(path) for pattern in _PROGRAMS for path in sorted(Path().glob(pattern))]
        known = {record.name for record in records}
        for path in dict.fromkeys((*own, *(record.program for record in records))):
            try:
                self._read(path, known)
            except RPCError as error:
                self._supervisord.options.logger.warn(f"{path} cannot be read: {error.text}")
        for record in records:
            if record.name in self.programs:
                self._find(record.name).take_over(record, self._adopted)
            else:
                self._abandon(record)

    def add(self, path: str) -> bool:
        """Take up the programs of an INI file; one that is known and stopped is replaced, a running one stays."""
        self._supervisord.reap()
        self._read(path, set())
        return True

    def _read(self, path: str, recorded: set[str]) -> None:
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
            configs[0].path, configs[0].table = path, self.programs
            group = ProcessGroupConfig(options, name, configs[0].priority, configs)
            if self._take_up(name, group) and name not in recorded:
                record_process(name, 0, path)

    def _abandon(self, record: ProcessRecord) -> None:
        """Its program is gone from the disk, so nobody will want it again."""
        if record.is_alive or (record.pid and has_living_members(record.pid)):
            self._supervisord.options.logger.warn(f"{record.name} has no program any more: it is ended")
            with contextlib.suppress(OSError):
                os.killpg(record.pid, signal.SIGTERM)
        forget_process(record.name)

    def start(self, name: str) -> bool:
        self._supervisord.reap()  # or a start just after a crash would meet the dead one
        self._find(name).begin()
        return True

    def stop(self, name: str, patience_s: float | None = None) -> bool:
        """One that is not known has stopped: two may want its end."""
        self._supervisord.reap()
        if name in self.programs:
            program = self._find(name)
            if patience_s is not None:
                program.config.stopwaitsecs = min(program.config.stopwaitsecs, patience_s)
            program.end()
        return True

    def remove(self, name: str) -> bool:
        """Forget a program, if it is known. Raises FAILED while it has not stopped."""
        self._supervisord.reap()
        if name not in self.programs:
            return True
        program = self._find(name)
        if not program.is_over:
            raise RPCError(Faults.FAILED, f"{name} has not stopped")
        program.end()
        is_removed = bool(self._supervisord.remove_process_group(name))
        forget_process(name)
        return is_removed

    def states(self, prefix: str) -> list[dict[str, Any]]:
        """All programs whose name begins with `prefix`."""
        self._supervisord.reap()
        return [_describe(self._find(name)) for name in self.programs if name.startswith(prefix)]

    def state(self, name: str) -> dict[str, Any]:
        """One program; an empty struct when there is none of that name."""
        self._supervisord.reap()
        return _describe(self._find(name)) if name in self.programs else {}

    def stop_all(self, _event: object) -> None:
        mark_process("supervisord", f"stop {NODE_STOP_S}")
        for program in self.programs.programs():
            program.config.stopwaitsecs = min(program.config.stopwaitsecs, NODE_STOP_S)
            program.end(is_wish=False)

    def trim_logs(self, _event: object) -> None:
        """Keep logs of the node's own programs small: the old half-file is kept as `.1`. Lines are appended, so the
        writer goes on at the new end."""
        for path in {program.config.output for program in self.programs.programs()}:
            with contextlib.suppress(OSError), open(path, "r+b") as log:  # noqa: PTH123
                if os.fstat(log.fileno()).st_size > _LARGEST_LOG_BYTES:
                    with open(f"{path}.1", "wb") as kept:  # noqa: PTH123
                        os.sendfile(kept.fileno(), log.fileno(), 0, 2 * _LARGEST_LOG_BYTES)
                    log.truncate(0)
        trim_router_errors(_ROUTER_ERRORS)

    def _find(self, name: str) -> Program:
        group = self.programs.get(name)
        if group is None:
            raise RPCError(Faults.BAD_NAME, name)
        program: Program = next(iter(group.processes.values()))
        program.look()
        return program

    def _take_up(self, name: str, config: Any) -> bool:
        if name in self.programs and not self._find(name).is_over:
            return False
        if name in self.programs:
            del self.programs[name]
        return bool(self._supervisord.add_process_group(config))


def _describe(program: Program) -> dict[str, Any]:
    value = {
        "name": program.config.name,
        "state": program.state_name,
        "pid": program.pid,
        "spawns": program.spawns,
        "started_at": float(program.laststart),
        "next_try": program.next_try,
    }
    return value if program.status is None else {**value, "exit_status": program.status}


def _wake_on_child(supervisord: Any) -> None:
    """End supervisord's one-second wait when a signal comes: select(2) is otherwise just taken up again."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    asyncore.socket_map[reader.fileno()] = _Wakening(reader, writer, supervisord)


def _hasten(poller: Any, programs: ProgramTable) -> None:
    """The loop waits up to a second for something to happen; what it has to look at again cannot wait for that."""
    poll = poller.poll

    def poll_soon(timeout_s: float) -> Any:
        pause_s = programs.pause_s
        return poll(timeout_s if pause_s is None else min(timeout_s, pause_s))

    poller.poll = poll_soon


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
