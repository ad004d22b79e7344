"""An app's bare repository: opened, and made when it is not there. Its configuration is ours; its hooks never run."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from dulwich.refs import HEADREF, Ref
from dulwich.repo import BaseRepo, Repo
from dulwich.server import Backend, BackendRepo

from toppcloud.app_layout import RepositoryLayout

DEFAULT_BRANCH = "main"
_CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\thooksPath = /dev/null
[gc]
\tauto = 0
"""


@contextlib.contextmanager
def open_repository(folder: Path, *, branch: str = DEFAULT_BRANCH) -> Iterator[Repo]:
    """The repository in `folder`, closed at the end of the block. An empty one is made when there is none."""
    if not folder.exists():
        _create_repository(folder, branch)
    with contextlib.closing(Repo(str(folder), bare=True)) as repo:
        yield repo


class OneRepository(Backend):
    """What dulwich's handlers look repositories up in: there is one, whatever it is called."""

    def __init__(self, repo: BaseRepo) -> None:
        self._repo = repo

    def open_repository(self, path: str) -> BackendRepo:
        return cast(BackendRepo, self._repo)


def git_environment(layout: RepositoryLayout) -> dict[str, str]:
    """What git needs to work on this repository and on no other, with nobody's configuration but the repository's."""
    return {
        "GIT_DIR": str(layout.folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "HOME": "/nonexistent",
    }


GIT_SETTINGS = (
    "-c", "core.packedGitWindowSize=32m", "-c", "core.packedGitLimit=256m",
    "-c", "core.bigFileThreshold=16m", "-c", "core.fsync=committed",
    "-c", "gc.auto=0", "-c", "maintenance.auto=false",
)  # fmt: skip
"""Options of git that bound its memory (larger files are streamed), and let it start no work of its own."""


def _create_repository(folder: Path, branch: str) -> None:
    """Made aside and renamed, so that it is whole or not there; of two that race, the first wins."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".new-{secrets.token_hex(4)}")
    aside.mkdir(mode=0o700)
    try:
        with contextlib.closing(Repo.init_bare(str(aside))) as repo:
            repo.refs.set_symbolic_ref(HEADREF, Ref(f"refs/heads/{branch}".encode()))
        (aside / "config").write_text(_CONFIG)
        RepositoryLayout(aside).quarantines.mkdir()
        with contextlib.suppress(OSError):  # somebody else has made it meanwhile
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
