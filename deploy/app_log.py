"""An app's log as it is read: the newest lines over all rotated files, and then what comes.

2026-11-22T14:45:04.123Z v12 web.1 Listening at: unix:...
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.rotating_file import rotated_name

_CHUNK = 256 * 1024
_POLL_S = 0.02
Matches = Callable[[bytes], bool]


def match_lines(process: str | None, release: int | None = None) -> Matches:
    """Which lines are wanted: of a release, of a process. `web` takes web.1 and web.2, `web.1` also its relay."""
    version = b"v%d" % release if release is not None else None
    name = process.encode() if process is not None else None

    def matches(line: bytes) -> bool:
        fields = line.split(b" ", 3)
        if len(fields) < 3:
            return name is None and version is None
        if version is not None and fields[1] != version:
            return False
        return name is None or fields[2] == name or fields[2].startswith(name + b".")

    return matches


@dataclass
class AppLog:
    """One app's log files. Lines are bytes with their newline."""

    path: Path
    matches: Matches

    def last_lines(self, count: int) -> tuple[list[bytes], Position]:
        """The newest `count` matching lines, oldest first, and where to go on."""
        position = Position.at_end(self.path)
        found = self._newest_of(position.read_all() if position else b"", count)
        for number in itertools.count(1):
            if len(found) >= count:
                break
            try:
                older = rotated_name(self.path, number).read_bytes()
            except FileNotFoundError:
                break
            found = self._newest_of(older, count - len(found)) + found
        return found, position or Position(None, 0)

    def follow(self, position: Position, is_over: Callable[[], bool]) -> Iterator[list[bytes]]:
        """Matching lines as they come, some at a time, until `is_over`. Goes on in the new file after a rotation."""
        rest = b""
        while not is_over():
            data = position.read_on(self.path)
            if not data:
                time.sleep(_POLL_S)
                continue
            *lines, rest = (rest + data).split(b"\n")
            if wanted := [line + b"\n" for line in lines if self.matches(line)]:
                yield wanted

    def _newest_of(self, data: bytes, count: int) -> list[bytes]:
        lines = [line for line in data.splitlines(keepends=True) if self.matches(line)]
        return lines[-count:] if count > 0 else []


@dataclass
class Position:
    """A place in the file that was open then, even when it has another name by now."""

    fd: int | None
    offset: int

    @classmethod
    def at_end(cls, path: Path) -> Position | None:
        """The end of the file; None when there is none."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        return cls(fd, os.fstat(fd).st_size)

    def read_all(self) -> bytes:
        """All before this place."""
        assert self.fd is not None
        return os.pread(self.fd, self.offset, 0)

    def read_on(self, path: Path) -> bytes:
        """What was written since; at the end of a file that was rotated away, the new one is opened."""
        if self.fd is not None:
            if os.fstat(self.fd).st_size < self.offset:
                self.offset = 0  # somebody has emptied it
            data = os.pread(self.fd, _CHUNK, self.offset)
            self.offset += len(data)
            if data or _is_same(self.fd, path):
                return data
            data = os.pread(self.fd, _CHUNK, self.offset)  # written between the two looks
            if data:
                self.offset += len(data)
                return data
            self.close()
        try:
            self.fd, self.offset = os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0
        except FileNotFoundError:
            return b""
        return self.read_on(path)

    def close(self) -> None:
        """Let go of the file; `read_on` would begin anew."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def _is_same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return True  # in the middle of a rotation: the next look will tell
