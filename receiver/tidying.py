"""Keeping a repository small: every push adds a pack, and now and then they are made one again, after the answer.

A program of its own, so that nobody waits for it:  python -I -m receiver.tidying REPOSITORY [GIT]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from receiver.quarantine import keep_pushes_out
from receiver.repository import GIT_SETTINGS, git_environment, open_repository
from toppcloud.app_layout import RepositoryLayout
from toppcloud.program import run, start_detached

MOST_PACKS = 50
_TIMEOUT_S = 1800.0
_LARGEST_WITHOUT_GIT_BYTES = 16_000_000  # dulwich holds all objects in memory while it repacks


def start_tidying(layout: RepositoryLayout, git: Path | None, *, most_packs: int = MOST_PACKS) -> bool:
    """Have the packs made one when there are more than `most_packs`. Does not wait. Returns whether it was started."""
    if len(_list_packs(layout)) <= most_packs:
        return False
    argv = [sys.executable, "-I", "-m", "receiver.tidying", str(layout.folder), *([str(git)] if git else [])]
    layout.tidying_log.unlink(missing_ok=True)
    start_detached(argv, env={"PATH": os.defpath}, cwd=layout.folder, output=layout.tidying_log)
    return True


def tidy_repository(layout: RepositoryLayout, git: Path | None) -> bool:
    """Make all packs one, without what no branch or tag leads to. Returns False, and does nothing, during a push."""
    with keep_pushes_out(layout) as is_alone:
        if not is_alone:
            return False
        if git:
            run(
                [str(git), *GIT_SETTINGS, "repack", "-a", "-d", "-q"],
                env=git_environment(layout),
                timeout_s=_TIMEOUT_S,
            )
        elif sum(pack.stat().st_size for pack in _list_packs(layout)) <= _LARGEST_WITHOUT_GIT_BYTES:
            with open_repository(layout.folder) as repo:
                repo.object_store.repack()
        return True


def _list_packs(layout: RepositoryLayout) -> list[Path]:
    return list(layout.packs.glob("*.pack"))


if __name__ == "__main__":
    os.nice(10)
    tidy_repository(RepositoryLayout(Path(sys.argv[1])), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
