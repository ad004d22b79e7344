"""Whether programs that were started accept connections: seen by whether those that wait in their socket are taken.

Where nobody waits, a connection of our own does, which ends as soon as it is accepted and asks for nothing. Who has
not accepted within the boot limit may still do so later: there each visitor waits a moment, and then is told.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import time

from deploy.answers import Answers
from deploy.connections import Connections, count_connections, read_connections
from deploy.live_start import LiveStart
from deploy.start_key import StartKey
from toppcloud.layout import Layout
from toppcloud.unix import connect_unix

_PAUSE_S, _LONG_PAUSE_S = 0.02, 0.2
_QUICK_LOOKS_S = 3.0
_GRACE_S = 1.0
_RETRY_S = 5.0


class Verdict(enum.Enum):
    """What was seen."""

    ACCEPTS = "accepts"
    LATE = "not within its boot limit"
    REFUSES = "who came was not let in"


class Acceptance:
    """Of those starts of one node that are in doubt. Moments are seconds since 1970."""

    def __init__(self, layout: Layout, answers: Answers) -> None:
        self._layout = layout
        self._answers = answers
        self._expected: dict[LiveStart, float] = {}
        """When their programs were started."""
        self._knocked: dict[LiveStart, float] = {}
        """Until when who waits at one that is late is left to it."""
        self._doubted: dict[LiveStart, float] = {}
        """When one that is late is tried again, be it that nobody comes."""

    def expect(self, live: LiveStart, started_at: float) -> None:
        """Its programs were started then."""
        if not count_connections(self._layout, live.key).waiting:
            self._probe(live)
        self._expected[live] = started_at

    def doubt(self, live: LiveStart) -> None:
        """It is late. Nobody waits there at this moment."""
        self.forget(live)
        self._doubted[live] = time.time() + _RETRY_S

    def knock(self, live: LiveStart) -> None:
        """Somebody waits at one that is late."""
        self._doubted.pop(live, None)
        self._knocked[live] = time.time() + _GRACE_S

    def forget(self, live: LiveStart) -> None:
        """It is not in doubt any more, or not ours."""
        self._expected.pop(live, None)
        self._knocked.pop(live, None)
        self._doubted.pop(live, None)
        if live.probe:
            live.probe.close()
            live.probe = None

    def due_at(self, now: float) -> float | None:
        """When to look next, if ever."""
        due = [*self._knocked.values(), *self._doubted.values()]
        if self._expected:
            is_fresh = now - max(self._expected.values()) < _QUICK_LOOKS_S
            due.append(now + (_PAUSE_S if is_fresh else _LONG_PAUSE_S))
        return min(due, default=None)

    def look(self, now: float) -> list[tuple[LiveStart, Verdict]]:
        """Those of which there is something to tell."""
        for live in [live for live, moment in self._doubted.items() if moment <= now]:
            self.knock(live)
            self._probe(live)  # a visitor like any other
        knocked = [live for live, until in self._knocked.items() if until <= now]
        if not self._expected and not knocked:
            return []
        connections = read_connections(self._layout)
        told = []
        for live, started_at in self._expected.items():
            if self._accepts(live, connections):
                told.append((live, Verdict.ACCEPTS))
            elif now - started_at > live.habits.boot_limit_s:
                told.append((live, Verdict.LATE))
        for live in knocked:
            told.append((live, Verdict.ACCEPTS if self._accepts(live, connections) else Verdict.REFUSES))
        return told

    def _accepts(self, live: LiveStart, connections: dict[StartKey, Connections]) -> bool:
        """Somebody is served, and not by us, or nobody waits any more."""
        mine = connections.get(live.key, Connections())
        return mine.accepted > self._answers.count(live.key) or not mine.waiting

    def _probe(self, live: LiveStart) -> None:
        with contextlib.suppress(OSError):
            live.probe = connect_unix(live.start.socket, timeout_s=0)
            live.probe.shutdown(socket.SHUT_WR)
