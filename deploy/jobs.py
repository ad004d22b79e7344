"""What takes long, in threads, for a program that otherwise has one: each result comes back into its loop."""

from __future__ import annotations

import os
import queue
import selectors
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_THREADS = 16


class Jobs:
    """Runs work in threads; `then` is called in the thread of the selector's loop, with the result or the exception."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="job")
        self._done: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        selector.register(self._bell, selectors.EVENT_READ, self._take)

    def run(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """`then` gets what `work` returned, or the Exception that it raised."""
        self._threads.submit(self._work, work, then)

    def call(self, function: Callable[[], None]) -> None:
        """Have `function` called in the loop, soon. From any thread."""
        self._done.put(function)
        os.eventfd_write(self._bell, 1)

    def _work(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        try:
            result = work()
        except Exception as error:
            result = error
        self.call(lambda: then(result))

    def _take(self) -> None:
        os.eventfd_read(self._bell)
        while True:
            try:
                function = self._done.get_nowait()
            except queue.Empty:
                return
            function()
