"""Processes that an earlier supervisord started. They are no children of this one: their ends are seen by pidfds.

Source: pidfd_open(2); supervisor 4.3, supervisord.py, `runforever`, for what a dispatcher is.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from deploy.process_record import ProcessRecord


class AdoptedProcesses:
    """One dispatcher of supervisord's for all of them, however many: a turn of its loop costs no more for that."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._on_end: dict[int, Callable[[], None]] = {}

    @property
    def fd(self) -> int:
        return self._epoll.fileno()

    def watch(self, record: ProcessRecord, on_end: Callable[[], None]) -> int:
        """Have `on_end` called, once, when it has ended. Returns its pidfd. ProcessLookupError: it lives no more."""
        if not record.pid:
            raise ProcessLookupError
        pidfd = os.pidfd_open(record.pid)
        if not record.is_alive:  # looked at again: from here on the pid cannot become another's unseen
            os.close(pidfd)
            raise ProcessLookupError
        self._epoll.register(pidfd, select.EPOLLIN)
        self._on_end[pidfd] = on_end
        return pidfd

    def look(self, pidfd: int | None = None) -> None:
        """Tell of all that have ended, or of this one if it has."""
        if pidfd is not None:
            waiting = select.poll()
            waiting.register(pidfd, select.POLLIN)
            ended = [fd for fd, _ in waiting.poll(0)]
        else:
            ended = [fd for fd, _ in self._epoll.poll(0)]
        for fd in ended:
            on_end = self._on_end.pop(fd, None)
            self._epoll.unregister(fd)
            os.close(fd)
            if on_end:
                on_end()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self.look()

    def handle_error(self) -> None:
        raise
