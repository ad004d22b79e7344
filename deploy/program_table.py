"""supervisord's programs by name, so kept that its loop has nothing to do for those that just run or just rest.

supervisord's loop goes over `process_groups.values()` in each of its turns, and every call makes it turn. So `values()`
are only the restless ones: what starts, stops, waits for its next try, or has just come. All else asks by name.
Source: supervisor 4.3, supervisord.py, `runforever`, `shutdown_report`.
"""

from __future__ import annotations

from typing import Any


class ProgramTable(dict[str, Any]):
    """`supervisord.process_groups`: group objects by name, each of one program."""

    def __init__(self) -> None:
        super().__init__()
        self._restless: dict[str, Any] = {}

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

    def settle(self, name: str) -> None:
        """Nothing will happen to it by itself."""
        self._restless.pop(name, None)

    def values(self) -> Any:
        """Those that the loop has to look at."""
        return list(self._restless.values())

    def programs(self) -> list[Any]:
        """The program of each group, of all."""
        return [next(iter(group.processes.values())) for group in super().values()]
