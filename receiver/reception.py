"""The pack of a push, from the wire into quarantine: measured while it comes, indexed, every object checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dulwich.repo import Repo

from receiver.indexing import check_objects, index_pack_with_dulwich, index_pack_with_git
from receiver.pack_limits import PackLimits
from receiver.pack_meter import PackMeter
from receiver.push import Push
from receiver.push_request import PushRequest
from receiver.quarantine import Quarantine
from receiver.references import LOCK_TIMEOUT_S
from receiver.repository import DEFAULT_BRANCH
from receiver.shallow import BoundaryChange, choose_change, read_boundary, write_boundary
from receiver.wire import Wire
from toppcloud.app_layout import RepositoryLayout
from toppcloud.console import Console
from toppcloud.lock import hold_lock

Deploy = Callable[[Push, Console], None]


@dataclass(frozen=True)
class Admission:
    """What the options of a push come to, once they are known."""

    repository: Path
    """Made when it is not there. A dry run of an app that has none is given one that goes again."""
    is_dry_run: bool = False
    """Any branch is taken, nothing is stored, and `deploy` only tries what it is given."""


Admit = Callable[[tuple[str, ...]], Admission]


@dataclass(frozen=True)
class Reception:
    """How pushes to one repository are taken."""

    layout: RepositoryLayout
    limits: PackLimits
    git: Path | None
    deploy: Deploy
    branch: str = DEFAULT_BRANCH
    """The branch that deploys; `master` does in place of a `main` that is not there."""
    is_dry_run: bool = False


def receive_objects(
    repo: Repo, reception: Reception, request: PushRequest, wire: Wire, quarantine: Quarantine
) -> BoundaryChange:
    """Read the pack into `quarantine`. Returns what it does to the shallow boundary.

    Raises ToppcloudError when it is too large, damaged, incomplete, against git's rules or not sent to its end.
    """
    known = repo.object_store
    boundary = read_boundary(reception.layout)
    offered = frozenset(commit for commit in request.shallow if commit not in known)
    meter = PackMeter(reception.limits)
    chunks = wire.read_pack(meter)
    head = []
    while meter.objects is None:
        head.append(next(chunks))
    if meter.objects == 0:
        for _ in chunks:
            pass
        return BoundaryChange(frozenset(), frozenset())
    pack = itertools.chain(head, chunks)
    if reception.git:
        index_pack_with_git(reception.git, pack, reception.layout, quarantine, reception.limits, boundary | offered)
    else:
        index_pack_with_dulwich(pack, quarantine)
    check_objects(quarantine.store, meter, boundary | offered, with_links=reception.git is None)
    return choose_change(boundary, offered, quarantine.store, known)


def keep_objects(layout: RepositoryLayout, quarantine: Quarantine, change: BoundaryChange) -> None:
    """Let the repository have what was received. At no moment does its history lack an end."""
    with hold_lock(layout.references_lock, by="push", doing="keeping objects", timeout_s=LOCK_TIMEOUT_S):
        boundary = read_boundary(layout) | change.added
        write_boundary(layout, boundary)
        quarantine.keep()
        write_boundary(layout, boundary - change.removed)
