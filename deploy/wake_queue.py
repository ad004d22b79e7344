"""Who is waked next: so many at a time that the first ones are up soon, and visitors before all others."""

from __future__ import annotations

import heapq
import itertools
import os
import time

from deploy.live_start import LiveStart

VISITOR, NODE_START = 0, 1
SLOT_S = 3.0
"""Who takes longer than this is waiting for something; its place goes to the next."""


class WakeQueue:
    """Starts that are to be waked, and the places of those that come up."""

    def __init__(self, places: int | None = None) -> None:
        self._places = places or max(2, len(os.sched_getaffinity(0)))
        self._waiting: list[tuple[int, int, LiveStart]] = []
        self._rising: dict[LiveStart, float] = {}
        self._numbers = itertools.count()

    def add(self, live: LiveStart, priority: int) -> None:
        heapq.heappush(self._waiting, (priority, next(self._numbers), live))

    def take(self, now: float) -> LiveStart | None:
        """The next to be started, or None when all places are taken. `now` is in seconds since 1970."""
        self._rising = {live: since for live, since in self._rising.items() if now - since < SLOT_S}
        if not self._waiting or len(self._rising) >= self._places:
            return None
        live = heapq.heappop(self._waiting)[2]
        self._rising[live] = now
        return live

    def hold(self, live: LiveStart) -> None:
        """It was started, and keeps its place until it is up."""
        self._rising[live] = time.time()

    def leave(self, live: LiveStart) -> None:
        """It is up, or will not be."""
        self._rising.pop(live, None)

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)
