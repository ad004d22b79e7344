"""Giving up a build: because somebody typed builds:cancel (SIGTERM), or because the pusher went away."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from toppcloud.errors import Cancelled

CANCEL_SIGNAL = signal.SIGTERM


class Cancellation:
    """Asked often while a build runs; from `prepare` on nobody asks any more, and the deploy completes."""

    def __init__(self, is_gone: Callable[[], bool] = lambda: False) -> None:
        self._is_gone = is_gone
        self._was_told = False

    def reason(self) -> str | None:
        """Why to give up, or None."""
        if self._was_told:
            return "The build was cancelled. Nothing was changed."
        if self._is_gone():
            return "The pusher went away before the release was prepared. Nothing was changed."
        return None

    def raise_if_cancelled(self) -> None:
        if reason := self.reason():
            raise Cancelled(reason, reason="build cancelled")

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM as the wish to cancel while the block runs."""

        def note(_signal: int, _frame: FrameType | None) -> None:
            self._was_told = True

        before = signal.signal(CANCEL_SIGNAL, note)
        try:
            yield
        finally:
            signal.signal(CANCEL_SIGNAL, before)
