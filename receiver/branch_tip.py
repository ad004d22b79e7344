"""What an app's deploy branch holds: for builds that no push asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from dulwich.object_store import BaseObjectStore

from receiver.push_policy import choose_deploy_branch
from receiver.references import BRANCHES, read_references
from receiver.repository import DEFAULT_BRANCH, open_repository
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError


@dataclass(frozen=True)
class BranchTip:
    """The newest commit of the deploy branch, and where to read it from."""

    branch: str
    commit: str
    store: BaseObjectStore


@contextlib.contextmanager
def open_branch_tip(app: AppLayout) -> Iterator[BranchTip]:
    """The tip of `main` (or `master`), readable while the block runs. Raises ToppcloudError when nothing was pushed."""
    with contextlib.ExitStack() as stack:
        if app.repository.is_dir():
            repo = stack.enter_context(open_repository(app.repository))
            references = read_references(repo)
            branch = choose_deploy_branch(DEFAULT_BRANCH, references, [])
            commit = references.get(BRANCHES + branch)
            if commit is not None:
                yield BranchTip(branch, commit.decode(), repo.object_store)
                return
    raise ToppcloudError(f"{app.name} has no branch to build.", "Nothing was pushed yet.", "git push toppcloud main")
