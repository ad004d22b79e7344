"""A log that never grows beyond bounds: app.log, app.log.1, app.log.2, the oldest of them removed.

Lines are whole in one file or the next. A full disk loses lines, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path


class RotatingFile:
    """Appends to `path`; opens it when needed. No file gets larger than `largest_bytes`, unless by one `append`."""

    def __init__(self, path: Path, *, largest_bytes: int, kept_files: int) -> None:
        """`kept_files` counts the one that is written too."""
        self.largest_bytes = largest_bytes
        self._path = path
        self._kept_files = max(1, kept_files)
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
            if self._size and self._size + len(data) > self.largest_bytes:
                self._rotate()
                fd = self._open()
            self._size += os.write(fd, data)

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
        """Each file takes the next one's name. What is beyond the count goes, also when that was larger before."""
        self._close()
        for number in range(self._kept_files, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                rotated_name(self._path, number - 1).replace(rotated_name(self._path, number))
        beyond = self._kept_files
        while rotated_name(self._path, beyond).exists():
            rotated_name(self._path, beyond).unlink()
            beyond += 1

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def rotated_name(path: Path, number: int) -> Path:
    """`app.log` for 0, `app.log.1` for 1."""
    return path.with_name(f"{path.name}.{number}") if number else path
