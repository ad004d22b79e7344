"""What takes long, in threads, for a program that otherwise has one: each result comes back into its loop."""

from __future__ import annotations

import os
import queue
import selectors
from collections.abc import Callable, Hashable
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


class JobsByKey:
    """Jobs of which each key has one at a time."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._waiting: dict[Hashable, list[Callable[[], None]]] = {}
        """By the key of each job under way: what is to happen after it."""

    def is_busy(self, key: Hashable) -> bool:
        return key in self._waiting

    def when_free(self, key: Hashable, act: Callable[[], None]) -> None:
        """Do it now, or after the job that is under way. It may begin another one."""
        if key in self._waiting:
            self._waiting[key].append(act)
        else:
            act()

    def run(self, key: Hashable, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """As `Jobs.run`, as soon as the key is free."""
        if key in self._waiting:
            self._waiting[key].append(lambda: self.run(key, work, then))
            return
        self._waiting[key] = []

        def end(result: Any) -> None:
            acts = self._waiting.pop(key)
            try:
                then(result)
            finally:
                for act in acts:
                    self.when_free(key, act)

        self._jobs.run(work, end)
