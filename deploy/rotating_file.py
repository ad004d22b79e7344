"""A log that never grows beyond bounds: app.log, app.log.1, app.log.2, the oldest of them removed.

Lines are whole in one file or the next. A full disk loses lines, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

LARGEST_BYTES = 10 * 1024**2
KEPT_FILES = 3
"""The one that is written, and two older."""


class RotatingFile:
    """Appends to `path`; opens it when needed."""

    def __init__(self, path: Path, *, largest_bytes: int = LARGEST_BYTES, kept_files: int = KEPT_FILES) -> None:
        self._path = path
        self._largest_bytes = largest_bytes
        self._kept_files = kept_files
        self._fd: int | None = None
        self._size = 0
        self._used_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._fd is not None

    def append(self, data: bytes) -> None:
        """Write whole lines. What the disk does not take is dropped."""
        if not data:
            return
        self._used_at = time.monotonic()
        with contextlib.suppress(OSError):
            fd = self._open()
            self._size += os.write(fd, data)
            if self._size > self._largest_bytes:
                self._rotate()

    def close_when_idle(self, idle_s: float) -> None:
        """Let go of the descriptor when nothing was written for so long."""
        if self._fd is not None and time.monotonic() - self._used_at > idle_s:
            self._close()

    def _open(self) -> int:
        """The descriptor, opened anew when somebody has removed or moved the file (or its app)."""
        if self._fd is not None and not self._is_in_place(self._fd):
            self._close()
        if self._fd is None:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
            self._size = os.fstat(self._fd).st_size
        return self._fd

    def _is_in_place(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        self._close()
        for number in range(self._kept_files - 1, 0, -1):
            older = rotated_name(self._path, number)
            newer = rotated_name(self._path, number - 1)
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def rotated_name(path: Path, number: int) -> Path:
    """`app.log` for 0, `app.log.1` for 1."""
    return path.with_name(f"{path.name}.{number}") if number else path
