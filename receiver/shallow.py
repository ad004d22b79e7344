"""The shallow boundary: commits whose parents nobody ever sent. History ends there, for git and for us.

Source: https://git-scm.com/docs/shallow. A clone made with `--depth 1` says its boundary when it pushes; of that, we
take what is new here and has parents that we lack. A boundary whose parents arrive later is one no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dulwich.object_store import BaseObjectStore
from dulwich.objects import Commit, ObjectID

from toppcloud.app_layout import RepositoryLayout
from toppcloud.files import write_file


@dataclass(frozen=True)
class BoundaryChange:
    """What a push does to the boundary."""

    added: frozenset[ObjectID]
    removed: frozenset[ObjectID]


def read_boundary(layout: RepositoryLayout) -> frozenset[ObjectID]:
    """The commits in the repository's shallow file; none when history is whole."""
    try:
        return frozenset(ObjectID(line) for line in layout.shallow.read_bytes().split())
    except FileNotFoundError:
        return frozenset()


def render_boundary(boundary: Iterable[ObjectID]) -> bytes:
    """One id a line, as git writes it."""
    return b"".join(commit + b"\n" for commit in sorted(boundary))


def choose_change(
    boundary: frozenset[ObjectID], offered: Iterable[ObjectID], store: BaseObjectStore, known: BaseObjectStore
) -> BoundaryChange:
    """What to change once a pack is here: `store` has all, `known` what was here before, `offered` the pusher's."""
    added = {commit for commit in offered if commit not in known and _lacks_parent(store, commit)}
    removed = {commit for commit in boundary if commit in store and not _lacks_parent(store, commit)}
    return BoundaryChange(frozenset(added), frozenset(removed))


def write_boundary(layout: RepositoryLayout, boundary: frozenset[ObjectID]) -> None:
    """Replace the shallow file; it goes when nothing is in it."""
    if boundary == read_boundary(layout):
        return
    if boundary:
        write_file(layout.shallow, render_boundary(boundary))
    else:
        layout.shallow.unlink(missing_ok=True)


def _lacks_parent(store: BaseObjectStore, commit: ObjectID) -> bool:
    try:
        found = store[commit]
    except KeyError:
        return False
    return isinstance(found, Commit) and any(parent not in store for parent in found.parents)
