"""A process that an earlier supervisord started. It is no child of this one: its end is seen by its pidfd.

Source: pidfd_open(2); supervisor 4.3, supervisord.py, `runforever`, for what a dispatcher is.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from deploy.process_record import ProcessRecord


class AdoptedProcess:
    """One of supervisord's dispatchers: calls `on_end` once, when the process has ended."""

    def __init__(self, record: ProcessRecord, on_end: Callable[[], None]) -> None:
        """Raises ProcessLookupError when it lives no more."""
        if not record.pid:
            raise ProcessLookupError
        self.fd = os.pidfd_open(record.pid)
        self._on_end = on_end
        self._is_open = True
        if not record.is_alive:  # looked at again: now the pid cannot become another's unseen
            self.close()
            raise ProcessLookupError

    @property
    def has_ended(self) -> bool:
        if not self._is_open:
            return False
        waiting = select.poll()
        waiting.register(self.fd, select.POLLIN)
        return bool(waiting.poll(0))

    def close(self) -> None:
        if self._is_open:
            os.close(self.fd)
        self._is_open = False

    def readable(self) -> bool:
        return self._is_open

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        if self.has_ended:
            self._on_end()

    def handle_error(self) -> None:
        raise
