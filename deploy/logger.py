"""Writes what apps print into `apps/blog/log/app.log`: reads one FIFO per program in run/output.

`python -I -m deploy.logger --root ROOT`. The program itself holds its FIFO open too, so neither end's death breaks the
other. Each turn takes what each pipe holds, so a flood keeps nobody else waiting; while there is one, the logger rests
three times as long as it works.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import selectors
import signal
import socket
import time
from pathlib import Path

from deploy.output_pipe import LARGEST_PIPE_BYTES, OutputPipe
from deploy.rotating_file import RotatingFile
from deploy.start_key import parse_program_name
from toppcloud.layout import Layout
from toppcloud.settings import NodeSettings, read_settings

_SWEEP_S = 1.0
_FILES_KEPT_OPEN_S = 30.0
_LAST_WORDS_S = 9.0
"""Less than what supervisord gives us, as it gives apps when the node stops."""
_FULL_REST_S = 0.004
"""A pipe of the largest size takes so long to fill, at 250 MB/s."""
_LONGEST_REST_S = 0.03


class Logger:
    """All pipes of one node."""

    def __init__(self, layout: Layout, settings: NodeSettings) -> None:
        self._layout = layout
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[str, OutputPipe] = {}
        self._files: dict[str, RotatingFile] = {}
        self._sweep_at = 0.0
        self._is_restless = False
        """Whether there may be something to do although nobody writes."""
        self._end_at: float | None = None
        """When the logger ends at the latest, once it was told to."""

    def run(self) -> None:
        """Take up what is there, then serve for ever; told to end, until those that are told likewise have ended."""
        knocks = _bind_knocks(self._layout.logger_socket)
        self._selector.register(knocks, selectors.EVENT_READ, lambda: self._hear(knocks))
        self._listen_to_sigterm()
        for path in sorted(self._layout.output_pipe("any").parent.iterdir()):
            self._open(path.name)
        while not self._is_over:
            is_restless = self._is_restless or self._end_at is not None
            ready = self._selector.select(_SWEEP_S if is_restless else None)
            began = time.monotonic()
            floods = []
            for key, _ in ready:
                if not isinstance(key.data, OutputPipe):
                    key.data()
                elif self._read(key.data):
                    floods.append(key.data)
            if began >= self._sweep_at:
                self._sweep(began)
            if floods:
                _rest(time.monotonic() - began, min(pipe.size_bytes for pipe in floods))

    @property
    def _is_over(self) -> bool:
        return self._end_at is not None and (not self._pipes or time.monotonic() > self._end_at)

    def _listen_to_sigterm(self) -> None:
        """When the node stops, programs are told at the same moment as we are, and have last words."""
        reader, writer = os.pipe()

        def begin_to_end() -> None:
            self._selector.unregister(reader)
            self._end_at = time.monotonic() + _LAST_WORDS_S

        self._selector.register(reader, selectors.EVENT_READ, begin_to_end)
        signal.signal(signal.SIGTERM, lambda number, frame: os.write(writer, b"."))

    def _hear(self, knocks: socket.socket) -> None:
        """Programs that begin. The copy of its pipe that came along kept it from vanishing until we have it open."""
        with contextlib.suppress(BlockingIOError):
            while True:
                program, copies, _, _ = socket.recv_fds(knocks, 256, 1)
                self._open(program.decode(errors="replace"))
                for fd in copies:
                    os.close(fd)

    def _open(self, program: str) -> None:
        """Read that program's pipe from now on. One that nobody writes to is let go when it is empty."""
        parsed = parse_program_name(program)
        if parsed is None or program in self._pipes or "/" in program:
            return
        key, process = parsed
        try:
            fd = os.open(self._layout.output_pipe(program), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return
        label = f"v{key.release} {process}".encode()
        pipe = OutputPipe(program, fd, key.layout(self._layout).folder, label, self._file_of(key.app))
        self._pipes[program] = pipe
        self._selector.register(fd, selectors.EVENT_READ, pipe)

    def _file_of(self, app: str) -> RotatingFile:
        if app not in self._files:
            size_bytes, count = self._settings.log_size_mb * 1024**2, self._settings.log_files
            self._files[app] = RotatingFile(self._layout.app(app).output, largest_bytes=size_bytes, kept_files=count)
        return self._files[app]

    def _read(self, pipe: OutputPipe) -> bool:
        """Whether it prints more than can be kept."""
        try:
            data = os.read(pipe.fd, LARGEST_PIPE_BYTES)
        except BlockingIOError:
            return False
        self._is_restless = True
        if data:
            pipe.take(data, time.time())
        else:
            self._let_go(pipe)
        return pipe.is_flooding

    def _let_go(self, pipe: OutputPipe) -> None:
        """Nobody writes any more. A next run of the program knocks; when there will be none, the FIFO goes."""
        pipe.settle(time.time(), patience_s=0.0)
        self._selector.unregister(pipe.fd)
        os.close(pipe.fd)
        del self._pipes[pipe.program]
        if not pipe.folder.exists():
            self._layout.output_pipe(pipe.program).unlink(missing_ok=True)

    def _sweep(self, now: float) -> None:
        """What waits in pipes is shown, a little later; files that nobody writes are closed. `now` is monotonic."""
        self._sweep_at = now + _SWEEP_S
        for pipe in self._pipes.values():
            pipe.settle(time.time(), patience_s=_SWEEP_S)
        for file in self._files.values():
            file.close_when_idle(_FILES_KEPT_OPEN_S)
        is_any_open = any(file.is_open for file in self._files.values())
        self._is_restless = is_any_open or any(pipe.rest for pipe in self._pipes.values())


def _rest(worked_s: float, pipe_bytes: int) -> None:
    """Let flooded pipes fill up, so that a turn is worth its while and floods take a quarter of a core at most."""
    shortest_s = _FULL_REST_S * pipe_bytes / LARGEST_PIPE_BYTES
    time.sleep(min(_LONGEST_REST_S, max(shortest_s, 3 * worked_s)))


def _bind_knocks(path: Path) -> socket.socket:
    """The datagram socket on which launchers say that they have opened a pipe."""
    os.chdir(path.parent)  # the path may be longer than a socket's name can be
    knocks = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    aside = f"{path.name}.new"
    Path(aside).unlink(missing_ok=True)
    knocks.bind(aside)
    Path(aside).chmod(0o600)
    Path(aside).replace(path.name)
    knocks.setblocking(False)
    return knocks


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="logger")
    parser.add_argument("--root", required=True, type=Path)
    root = parser.parse_args(argv).root
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    layout = Layout(root)
    Logger(layout, read_settings(layout.node_toml)).run()


if __name__ == "__main__":
    main()
