"""Branches and tags, moved only from the value that the pusher saw. Several move together or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from dulwich.objects import ObjectID
from dulwich.protocol import ZERO_SHA
from dulwich.refs import HEADREF, Ref
from dulwich.repo import Repo

from toppcloud.app_layout import RepositoryLayout
from toppcloud.errors import ToppcloudError
from toppcloud.lock import hold_lock

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
LOCK_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ReferenceUpdate:
    """One line of a push: `name` is to go from `old` to `new`; None where there is none before, or after."""

    name: str
    old: ObjectID | None
    new: ObjectID | None


def read_references(repo: Repo) -> dict[str, ObjectID]:
    """All branches and tags: {"refs/heads/main": b"9b1f0c2..."}."""
    return {
        name.decode("utf-8", "surrogateescape"): value
        for name, value in repo.refs.as_dict().items()
        if name.startswith(b"refs/")
    }


def check_unmoved(repo: Repo, update: ReferenceUpdate) -> None:
    """Raise ToppcloudError when the reference does not hold what the pusher saw."""
    found = _read(repo, update.name)
    if found == update.old:
        return
    short = update.name.removeprefix(BRANCHES).removeprefix(TAGS)
    raise ToppcloudError(
        f"Somebody else pushed {found[:7].decode()} to {short} meanwhile."
        if found
        else f"Somebody else removed {short} meanwhile.",
        "Nothing of this push was deployed.",
        f"Take theirs in and push again: git pull toppcloud {short}",
        reason="somebody else pushed meanwhile",
    )


def move_references(repo: Repo, layout: RepositoryLayout, updates: list[ReferenceUpdate]) -> None:
    """Move them all, or none. Raises ToppcloudError when one of them no longer holds its old value, or cannot be."""
    with hold_lock(layout.references_lock, by="push", doing="moving references", timeout_s=LOCK_TIMEOUT_S):
        for update in updates:
            check_unmoved(repo, update)
        moved: list[ReferenceUpdate] = []
        try:
            for update in updates:
                _move(repo, layout, update)
                moved.append(update)
        except BaseException:
            for update in reversed(moved):
                _move(repo, layout, ReferenceUpdate(update.name, update.new, update.old))
            raise


def point_head(repo: Repo, branch: str) -> None:
    """Make `branch` what a clone checks out."""
    name = Ref(f"{BRANCHES}{branch}".encode())
    if repo.refs.read_loose_ref(HEADREF) != b"ref: " + name:
        repo.refs.set_symbolic_ref(HEADREF, name)


def _read(repo: Repo, name: str) -> ObjectID | None:
    value = repo.refs.read_ref(_encode(name))
    return ObjectID(value) if value else None


def _move(repo: Repo, layout: RepositoryLayout, update: ReferenceUpdate) -> None:
    name = _encode(update.name)
    try:
        layout.reference_lock(update.name).unlink(missing_ok=True)  # ours is held: this one is a dead process's
        if update.new is None:
            is_done = repo.refs.remove_if_equals(name, update.old)
        else:
            is_done = repo.refs.set_if_equals(name, update.old or ObjectID(ZERO_SHA), update.new)
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise ToppcloudError(
            f"{update.name} cannot be stored.",
            "A reference of which its name is a part, or that is a part of its name, exists.",
            "Remove that one first, or choose another name.",
            reason="conflicts with another name",
        ) from error
    if not is_done:
        check_unmoved(repo, update)
        raise ToppcloudError(f"{update.name} could not be moved.", reason="reference not moved")


def _encode(name: str) -> Ref:
    return Ref(name.encode("utf-8", "surrogateescape"))
