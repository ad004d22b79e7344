"""Writes what apps print into `apps/blog/log/app.log`, each line with time, release and process.

    2026-11-22T14:45:04.123Z v12 web.1 Listening at: unix:...

`python -I -m deploy.logger --root ROOT`. Reads one FIFO per program in run/output; the program itself holds it open
too, so neither end's death breaks the other. A program that floods waits in its write: each turn takes one chunk of
each pipe.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import selectors
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.rotating_file import RotatingFile
from deploy.start_key import parse_program_name
from toppcloud.layout import Layout

_CHUNK = 256 * 1024
_LONGEST_LINE = 32 * 1024
_SWEEP_S = 1.0
_FILES_KEPT_OPEN_S = 30.0


@dataclass(eq=False)
class Pipe:
    """One program's output."""

    program: str
    fd: int
    folder: Path
    """Of its start; when it is gone so is the program."""
    label: bytes
    """`v12 web.1`"""
    file: RotatingFile
    rest: bytes = b""
    """A line that has not ended."""
    rest_since: float = 0.0


class Logger:
    """All pipes of one node."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[str, Pipe] = {}
        self._files: dict[str, RotatingFile] = {}
        self._sweep_at = 0.0

    def run(self) -> None:
        """Take up what is there, then serve for ever."""
        knocks = _bind_knocks(self._layout.logger_socket)
        self._selector.register(knocks, selectors.EVENT_READ)
        for path in sorted(self._layout.output_pipe("any").parent.iterdir()):
            self._open(path.name)
        while True:
            for key, _ in self._selector.select(_SWEEP_S if self._has_loose_ends() else None):
                if isinstance(key.data, Pipe):
                    self._read(key.data)
                else:
                    self._hear(knocks)
            if time.monotonic() >= self._sweep_at:
                self._sweep()

    def _hear(self, knocks: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._open(knocks.recv(256).decode(errors="replace"))

    def _open(self, program: str) -> None:
        """Read that program's pipe from now on. One that nobody writes to is let go at the first read."""
        parsed = parse_program_name(program)
        if parsed is None or program in self._pipes or "/" in program:
            return
        key, process = parsed
        try:
            fd = os.open(self._layout.output_pipe(program), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return
        file = self._files.setdefault(key.app, RotatingFile(self._layout.app(key.app).output))
        label = f"v{key.release} {process}".encode()
        pipe = Pipe(program, fd, key.layout(self._layout).folder, label, file)
        self._pipes[program] = pipe
        self._selector.register(fd, selectors.EVENT_READ, pipe)
        self._read(pipe)

    def _read(self, pipe: Pipe) -> None:
        try:
            data = os.read(pipe.fd, _CHUNK)
        except BlockingIOError:
            return
        if data:
            lines, pipe.rest = split_lines(pipe.rest + data)
            pipe.rest_since = time.monotonic()
            pipe.file.append(render_lines(lines, pipe.label, time.time()))
        else:
            self._let_go(pipe)

    def _let_go(self, pipe: Pipe) -> None:
        """Nobody writes any more. A next run of the program knocks; when there will be none, the FIFO goes."""
        self._end_line(pipe)
        self._selector.unregister(pipe.fd)
        os.close(pipe.fd)
        del self._pipes[pipe.program]
        if not pipe.folder.exists():
            self._layout.output_pipe(pipe.program).unlink(missing_ok=True)

    def _has_loose_ends(self) -> bool:
        """Whether there is anything to do although nobody writes."""
        return any(file.is_open for file in self._files.values()) or any(pipe.rest for pipe in self._pipes.values())

    def _sweep(self) -> None:
        """A prompt without a newline is shown all the same, a little later; files that nobody writes are closed."""
        now = time.monotonic()
        self._sweep_at = now + _SWEEP_S
        for pipe in self._pipes.values():
            if pipe.rest and now - pipe.rest_since >= _SWEEP_S:
                self._end_line(pipe)
        for file in self._files.values():
            file.close_when_idle(_FILES_KEPT_OPEN_S)

    def _end_line(self, pipe: Pipe) -> None:
        if pipe.rest:
            pipe.file.append(render_lines([pipe.rest], pipe.label, time.time()))
            pipe.rest = b""


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """`b"a\\nb\\nc"` -> ([b"a", b"b"], b"c"). A line that is too long is cut into several."""
    *lines, rest = data.split(b"\n")
    if len(rest) > _LONGEST_LINE:
        lines.append(rest)
        rest = b""
    if not any(len(line) > _LONGEST_LINE for line in lines):
        return lines, rest
    cut = [line[i : i + _LONGEST_LINE] for line in lines for i in range(0, max(1, len(line)), _LONGEST_LINE)]
    return cut, rest


def render_lines(lines: list[bytes], label: bytes, now: float) -> bytes:
    """The lines as they stand in the file. `now` is in seconds since 1970."""
    if not lines:
        return b""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    prefix = b"%s.%03dZ %s " % (moment.encode(), int(now * 1000) % 1000, label)
    return b"".join([prefix + line.rstrip(b"\r") + b"\n" for line in lines])


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
    Logger(Layout(root)).run()


if __name__ == "__main__":
    main()
