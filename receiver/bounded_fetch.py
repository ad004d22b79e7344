"""What dulwich lacks to serve fetches from and to shallow histories.

It takes every parent for present, and tells clients nothing of our boundary: their git then misses what nobody has. A
client that is shallow itself and does not ask for more depth (`git pull`) it does not understand.
Source: https://git-scm.com/docs/gitprotocol-pack ("shallow" lines after the references and after "deepen").
"""

from __future__ import annotations

from collections.abc import Callable

from dulwich.object_store import DiskObjectStore
from dulwich.objects import Commit, ObjectID, RawObjectID, ShaFile
from dulwich.protocol import Protocol, format_shallow_line

from toppcloud.app_layout import RepositoryLayout

_BOUNDLESS = b"deepen 2147483647\n"


class BoundedStore(DiskObjectStore):
    """Shows commits on the boundary without their parents, which are not here. What is sent stays as it was written."""

    def __init__(self, layout: RepositoryLayout, boundary: frozenset[ObjectID]) -> None:
        super().__init__(str(layout.objects))
        self.boundary = boundary
        self.reached: set[ObjectID] = set()
        """Of the boundary, what was asked for since this was last emptied."""

    def __getitem__(self, sha1: ObjectID | RawObjectID) -> ShaFile:
        found = super().__getitem__(sha1)
        if isinstance(found, Commit) and found.id in self.boundary:
            found._parents = []  # not through the property: that would make it another commit
            self.reached.add(found.id)
        return found


class BoundedProtocol(Protocol):
    """Adds `shallow` lines where git does: after the references all, after `deepen` those that were walked to.

    To dulwich a shallow client always asks for all depth; what it would be told of that, it is not told.
    """

    def __init__(self, read: Callable[[int], bytes], write: Callable[[bytes], int], store: BoundedStore) -> None:
        super().__init__(read, write)
        self._store = store
        self._has_advertised = False
        self._is_deepening = False
        self._is_shallow = False
        self._is_silent = False

    def read_pkt_line(self) -> bytes | None:
        line = super().read_pkt_line()
        if line is None:
            ends_request, self._is_shallow = self._is_shallow and not self._is_deepening, False
            if not ends_request:
                return None
            self._is_silent = True
            self.unread_pkt_line(None)
            return _BOUNDLESS
        self._is_deepening = self._is_deepening or line.startswith(b"deepen")
        self._is_shallow = self._is_shallow or line.startswith(b"shallow")
        return line

    def write_pkt_line(self, line: bytes | None) -> None:
        if self._is_silent:
            self._is_silent = line is not None
            return
        if line and self._is_deepening and line.startswith(b"unshallow ") and line[10:50] in self._store.boundary:
            return  # it has no more parents here than there
        if line is None and not self._has_advertised:
            self._has_advertised = True
            self._tell(self._store.boundary)
        elif line is None and self._is_deepening:
            self._is_deepening = False
            self._tell(self._store.reached)
        super().write_pkt_line(line)

    def _tell(self, commits: frozenset[ObjectID] | set[ObjectID]) -> None:
        for commit in sorted(commits):
            super().write_pkt_line(format_shallow_line(commit))
        self._store.reached = set()
