"""What may be pushed: the deploy branch, which deploys, and tags, which are stored. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dulwich.refs import Ref, check_ref_format

from receiver.references import BRANCHES, TAGS, ReferenceUpdate
from receiver.repository import DEFAULT_BRANCH
from toppcloud.errors import ToppcloudError

_ALIAS = "master"
_LONGEST_PART = 200  # bytes; disks take 255, and a lock file's name is longer


def choose_deploy_branch(branch: str, references: Collection[str], updates: Iterable[ReferenceUpdate]) -> str:
    """The branch that deploys: `branch`; `master` for `main` while neither the repository nor this push has a main."""
    if branch != DEFAULT_BRANCH or BRANCHES + branch in references:
        return branch
    pushed = {update.name for update in updates if update.new}
    is_master = BRANCHES + branch not in pushed and (BRANCHES + _ALIAS in references or BRANCHES + _ALIAS in pushed)
    return _ALIAS if is_master else branch


def find_refusal(update: ReferenceUpdate, branch: str) -> ToppcloudError | None:
    """Why this line of a push is not taken when `branch` is the one that deploys, or None."""
    if not _is_safe(update.name):
        return ToppcloudError(f"'{update.name}' is no name for a branch or a tag.", reason="funny refname")
    if update.name == BRANCHES + branch and update.new is None:
        return ToppcloudError(
            f"The branch {branch} cannot be deleted: it is what the app is deployed from.",
            "",
            "To remove the app and all it has: toppcloud apps:destroy",
            reason="deploy branch cannot be deleted",
        )
    if update.name == BRANCHES + branch or update.name.startswith(TAGS) or update.new is None:
        return None
    if not update.name.startswith(BRANCHES):
        return ToppcloudError(
            f"{update.name} is neither a branch nor a tag.",
            "Only these are stored here.",
            f"Push the branch alone: git push toppcloud {branch}",
            reason="neither branch nor tag",
        )
    pushed = update.name.removeprefix(BRANCHES)
    return ToppcloudError(
        f"Only the branch {branch} is deployed, and this is {pushed}.",
        "Nothing was changed.",
        f"To deploy it: git push toppcloud {pushed}:{branch}",
        reason=f"only {branch} is deployed",
    )


def find_dry_run_refusal(update: ReferenceUpdate, updates: Iterable[ReferenceUpdate]) -> ToppcloudError | None:
    """The same for a dry run, which takes one branch, whatever it is called, and stores nothing."""
    if not _is_safe(update.name):
        return ToppcloudError(f"'{update.name}' is no name for a branch or a tag.", reason="funny refname")
    if update.new is None:
        return ToppcloudError(
            f"A dry run builds a branch, and {update.name} was to be deleted.",
            "Nothing was changed.",
            "Name a branch: git push -o dry-run toppcloud feature",
            reason="nothing to build",
        )
    branches = [other.name.removeprefix(BRANCHES) for other in updates if other.name.startswith(BRANCHES)]
    if len(branches) != 1:
        return ToppcloudError(
            f"A dry run builds one branch, and this push has {len(branches)}{': ' if branches else '.'}"
            f"{', '.join(branches)}",
            "Nothing was changed.",
            f"Name one: git push -o dry-run toppcloud {branches[0] if branches else 'feature'}",
            reason="dry run takes one branch",
        )
    return None


def _is_safe(name: str) -> bool:
    encoded = name.encode("utf-8", "surrogateescape")
    is_short = all(len(part) <= _LONGEST_PART for part in encoded.split(b"/"))
    return is_short and encoded.startswith(b"refs/") and check_ref_format(Ref(encoded))
