"""A lock per app and purpose: flock(2) on a file that says who holds it, for what, since when.

    {"by": "ana", "doing": "building a41c9e2", "pid": 812, "since": "2026-11-22T14:45:04Z"}

The kernel drops it with the process, so a crash leaves no lock behind; the text is for people.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toppcloud.durations import now_utc, parse_iso, render_iso


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    by: str
    doing: str
    pid: int
    since: datetime


class LockBusy(Exception):
    """Somebody else holds it: `holder`, or None in the instant before they have signed."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def hold_lock(path: Path, *, by: str, doing: str, timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the lock at `path` while the block runs. Raises LockBusy when it is not free within `timeout_s`, and
    FileNotFoundError when the folder that it lies in is gone, perhaps since it was waited for.

    The descriptor is not inherited by programs that the block starts, so none of them can keep the lock.
    """
    fd = _open_locked(path, time.monotonic() + timeout_s)
    try:
        record = {"by": by, "doing": doing, "pid": os.getpid(), "since": render_iso(now_utc())}
        os.ftruncate(fd, 0)
        with contextlib.suppress(OSError):  # unsigned on a full disk, where the way to free it goes through locks
            os.pwrite(fd, json.dumps(record).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)


@contextlib.contextmanager
def hold_folder(path: Path, *, mode: int = 0o755) -> Iterator[None]:
    """Make the folder `path` and hold it while the block runs. Ends with this process, whatever happens to it."""
    fd = _make_held(path, mode)
    try:
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def claim_folder(path: Path) -> Iterator[bool]:
    """Whether nobody holds the folder, nor can while the block runs. One that is gone is not to be had."""
    try:
        fd = _open_folder(path)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(fd)


def _make_held(path: Path, mode: int) -> int:
    while True:
        path.mkdir(mode=mode)
        with contextlib.suppress(FileNotFoundError):  # somebody swept it in the instant before it was held
            fd = _open_folder(path)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if path.exists():
                return fd
            os.close(fd)


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def read_holder(path: Path) -> Holder | None:
    """Who holds the lock at `path` now, or None when it is free."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_signature(fd)
    else:
        return None
    finally:
        os.close(fd)


def _open_locked(path: Path, deadline: float) -> int:
    """The locked file: the one that lies at `path` then, not one that was removed while it was waited for."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _acquire(fd, deadline)
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except FileNotFoundError:
            pass  # opening it again tells whether the folder is gone too
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _acquire(fd: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockBusy(_read_signature(fd)) from None
            time.sleep(0.02)


def _read_signature(fd: int) -> Holder | None:
    try:
        value = json.loads(os.pread(fd, 4096, 0))
        return Holder(value["by"], value["doing"], value["pid"], parse_iso(value["since"]))
    except ValueError:
        return None
