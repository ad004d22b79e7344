"""supervisord's programs by name, so kept that its loop has nothing to do for those that just run or just rest.

supervisord's loop goes over `process_groups.values()` in each of its turns, and every call makes it turn. So `values()`
are only the restless ones: what starts, stops, waits for its next try, or has just come. All else asks by name.
Since it asks before it waits, `pause_s` says how long it may: what was woken meanwhile has its turn in the next.
Source: supervisor 4.3, supervisord.py, `runforever`, `shutdown_report`.
"""

from __future__ import annotations

from typing import Any

_LOOK_S = 0.05


class ProgramTable(dict[str, Any]):
    """`supervisord.process_groups`: group objects by name, each of one program."""

    def __init__(self) -> None:
        super().__init__()
        self._restless: dict[str, Any] = {}
        self._was_woken = self._is_urgent = False

    def __setitem__(self, name: str, group: Any) -> None:
        super().__setitem__(name, group)
        self._restless[name] = group

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._restless.pop(name, None)

    def wake(self, name: str) -> None:
        """Something happens to it: the loop has to look at it again, until it is settled."""
        if name in self:
            self._restless[name] = self[name]
            self._was_woken = True

    def settle(self, name: str) -> None:
        """Nothing will happen to it by itself."""
        self._restless.pop(name, None)

    def values(self) -> Any:
        """Those that the loop has to look at."""
        self._is_urgent, self._was_woken = self._was_woken, False
        return list(self._restless.values())

    @property
    def pause_s(self) -> float | None:
        """How long the loop may wait before it looks at them; None: they need no look."""
        if self._is_urgent:
            return 0.0
        return _LOOK_S if self._restless else None

    def programs(self) -> list[Any]:
        """The program of each group, of all."""
        return [next(iter(group.processes.values())) for group in super().values()]
