"""Who of those awake has not been visited for too long: looked at a few times in each idle time, else never."""

from __future__ import annotations

import time
from collections.abc import Iterable

from deploy.connections import Connections, read_connections
from deploy.live_start import LiveStart, choose_idle_s
from deploy.visits import are_noticed, arm, read_visit
from toppcloud.node import Node

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 15.0
_LOOKS_PER_IDLE = 10
_BLIND_PAUSE_S = 1.0


class Idleness:
    """Of one node's apps. Moments are seconds since 1970."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._are_visits_noticed = are_noticed(node.layout.run)
        self.due_at: float | None = None
        """When to look next; None while nobody awake is ever to sleep."""

    def begin(self, live: LiveStart) -> None:
        """It is awake from now on."""
        live.idle_since = time.time()
        arm(live.start.socket)
        soon = live.idle_since + _SHORTEST_PAUSE_S
        self.due_at = min(self.due_at or soon, soon)

    def find_idle(self, awake: Iterable[LiveStart], now: float) -> list[LiveStart]:
        """Those who may sleep; and plans the next look."""
        connections = read_connections(self._node.layout)
        shortest: float | None = None
        found = []
        for live in awake:
            self._note_visits(live, connections.get(live.key), now)
            idle_s = choose_idle_s(self._node, live)
            if idle_s is None:
                continue
            shortest = min(idle_s, shortest or idle_s)
            if now - live.idle_since >= idle_s:
                found.append(live)
        self.due_at = now + self._choose_pause_s(shortest) if shortest else None
        return found

    def _note_visits(self, live: LiveStart, connections: Connections | None, now: float) -> None:
        has_visit = read_visit(live.start.socket) is not None
        if has_visit:
            arm(live.start.socket)
        if has_visit or (connections and (connections.accepted or connections.waiting)):
            live.idle_since = now  # the mark is of the first visit since the last look; others may be of this moment

    def _choose_pause_s(self, idle_s: float) -> float:
        """Where visits leave no mark, only those that a look meets are seen; so it looks more often."""
        longest = _LONGEST_PAUSE_S if self._are_visits_noticed else _BLIND_PAUSE_S
        return min(longest, max(_SHORTEST_PAUSE_S, idle_s / _LOOKS_PER_IDLE))
