"""A session's bytes between an SSH channel and descriptors, in an event loop; no more in memory than needed."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass

READ_BYTES = 256 * 1024
PIPE_BYTES = 256 * 1024
HIGH_WATER_BYTES = 1024 * 1024


@dataclass(frozen=True)
class PipePair:
    """The two ends of a pipe. The reading end, or the writing one, is ours and does not block."""

    ours: int
    theirs: int


def open_pipe(*, ours_reads: bool) -> PipePair:
    """A pipe, large so that few turns of the loop are needed."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    ours, theirs = (reading, writing) if ours_reads else (writing, reading)
    os.set_blocking(ours, False)
    with contextlib.suppress(PermissionError):  # above this user's share of pipe memory: the usual 64 KB then
        fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return PipePair(ours, theirs)


class Outflow:
    """What the session writes: read from `fd` and passed to `take` until its end, then `at_end` is called once."""

    def __init__(self, fd: int, take: Callable[[bytes], None], at_end: Callable[[], None]) -> None:
        self._fd = fd
        self._take = take
        self._at_end = at_end
        self._drains = False
        self._is_open = True
        self._loop = asyncio.get_running_loop()
        self.resume()

    def pause(self) -> None:
        if self._is_open:
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._fd, self._read)

    def drain(self) -> None:
        """The worker has ended: what is in the pipe now is all, even if a left-over child holds the other end."""
        self._drains = True
        if self._is_open and not self._has_bytes():
            self._end()

    def close(self) -> None:
        """Stop at once, so that the writer sees that nobody reads."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the last program has closed its terminal
        if data:
            self._take(data)
        if not data or (self._drains and self._is_open and not self._has_bytes()):
            self._end()

    def _has_bytes(self) -> bool:
        return bool(struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, b"\0" * 4))[0])

    def _end(self) -> None:
        if self._is_open:
            self.close()
            self._at_end()


class Inflow:
    """What the person sends, written to `fd`. `pause` is called when too much waits, `resume` when it has gone."""

    def __init__(self, fd: int, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._fd = fd
        self._pause = pause
        self._resume = resume
        self._waiting = bytearray()
        self._is_open = True
        self._ends = False
        self._is_paused = False
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        """Nothing happens when the reader has closed its end."""
        if not self._is_open:
            return
        if not self._waiting:
            data = data[self._put(data) :]
        if data and self._is_open:
            if not self._waiting:
                self._loop.add_writer(self._fd, self._flush)
            self._waiting += data
            if len(self._waiting) > HIGH_WATER_BYTES and not self._is_paused:
                self._is_paused = True
                self._pause()

    def end(self) -> None:
        """End of input: the descriptor is closed once all has been written."""
        self._ends = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        """Close at once; what still waits is dropped."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
        self._waiting.clear()
        self._let_go_on()

    def _put(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            self.close()  # the reader has gone: what comes is dropped, as by a closed stdin
            return 0

    def _flush(self) -> None:
        del self._waiting[: self._put(self._waiting)]
        if self._is_open and not self._waiting:
            self._loop.remove_writer(self._fd)
            if self._ends:
                self.close()
        if len(self._waiting) < HIGH_WATER_BYTES // 2:
            self._let_go_on()

    def _let_go_on(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._resume()
