"""What the pusher sees: lines on side-band 2 while things happen, and a sign of life in silence.

    0013\\x02-----> web: ...\\n      git shows it as   remote: -----> web: ...
    0005\\x02                        an empty packet: shows nothing, keeps connections open

Source: https://git-scm.com/docs/gitprotocol-pack (side-band-64k: packets of up to 65520 bytes). Packets here stay
below 4096 bytes, which a pipe takes whole or not at all. May be used from several threads.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterator

KEEPALIVE_S = 5.0
_STUCK_S = 10.0
_LONGEST_TEXT = 3500
_PROGRESS = b"\x02"


class SideBand:
    """The way to the pusher. Until `open` is called lines go to `stderr`, as git would show them.

    Nothing here raises when the pusher is gone: what is under way decides itself (`is_gone`) whether to go on.
    """

    def __init__(self, stdout: int, stderr: int, *, patience_s: float = _STUCK_S) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._lock = threading.Lock()
        self._is_open = False
        self._is_lost = False
        self._full_patience_s = self._patience_s = patience_s
        self._spoken = threading.Event()

    def open(self) -> None:
        """From now on lines go to side-band 2: the pusher's git has asked for it."""
        self._is_open = True

    def write(self, data: bytes) -> int:
        """Packets of the protocol, as they are. Waits until the pusher has taken them."""
        with self._lock:
            self._write_all(self._stdout, data)
        return len(data)

    def line(self, text: str) -> None:
        """One line for the person. Left out when the pusher takes nothing for a while (a stopped terminal)."""
        data = text.encode("utf-8", "replace") + b"\n"
        with self._lock:
            if not self._is_open:
                self._write_all(self._stderr, b"remote: " + data)
                return
            for start in range(0, len(data), _LONGEST_TEXT):
                self._write_packet(data[start : start + _LONGEST_TEXT])
        self._spoken.set()

    def is_gone(self) -> bool:
        """Whether nobody reads any more. Asks the descriptor; cheap."""
        if not self._is_lost:
            poll = select.poll()
            poll.register(self._stdout, 0)
            self._is_lost = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
        return self._is_lost

    @contextlib.contextmanager
    def keep_alive(self, interval_s: float = KEEPALIVE_S) -> Iterator[None]:
        """Send an empty packet whenever nothing was said for `interval_s`, while the block runs."""
        if not self._is_open:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(interval_s, stop), name="keepalive", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            self._spoken.set()
            thread.join()

    def _beat(self, interval_s: float, stop: threading.Event) -> None:
        while not stop.is_set():
            if self._spoken.wait(interval_s):
                self._spoken.clear()
                continue
            with self._lock:
                self._write_packet(b"")

    def _write_packet(self, data: bytes) -> None:
        poll = select.poll()
        poll.register(self._stdout, select.POLLOUT)
        if not poll.poll(self._patience_s * 1000):
            self._patience_s = 0.0  # waited long enough once; from now on lines are left out until it reads again
            return
        self._patience_s = self._full_patience_s
        self._write_all(self._stdout, f"{len(data) + 5:04x}".encode() + _PROGRESS + data)

    def _write_all(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest and not (fd == self._stdout and self._is_lost):
                rest = rest[os.write(fd, rest) :]
        except OSError:
            self._is_lost = self._is_lost or fd == self._stdout
