"""Many pushes, few packs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from receiver.quarantine import keep_pushes_out, open_quarantine
from receiver.repository import open_repository
from receiver.tidying import start_tidying, tidy_repository
from toppcloud.app_layout import RepositoryLayout

pytestmark = pytest.mark.git


def _push_thrice(pusher) -> RepositoryLayout:
    for number in range(3):
        pusher.commit(f"Commit {number}")
        pusher.push()
    return RepositoryLayout(pusher.repository)


def _count_packs(layout: RepositoryLayout) -> int:
    return len(list(layout.packs.glob("*.pack")))


def test_packs_become_one_and_history_stays_whole(pusher):
    layout = _push_thrice(pusher)
    assert _count_packs(layout) == 3
    assert tidy_repository(layout, Path(pusher.node_git) if pusher.node_git else None)
    assert _count_packs(layout) == 1
    pusher.assert_clean()
    pusher.commit("After")
    pusher.push()
    pusher.assert_clean()


def test_tidying_runs_apart_and_only_when_there_are_many_packs(pusher):
    layout = _push_thrice(pusher)
    git = Path(pusher.node_git) if pusher.node_git else None
    assert not start_tidying(layout, git, most_packs=3)
    assert start_tidying(layout, git, most_packs=2)
    deadline = time.monotonic() + 30
    while _count_packs(layout) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _count_packs(layout) == 1
    assert layout.tidying_log.read_text() == ""


def test_nothing_is_tidied_during_a_push(tmp_path):
    layout = RepositoryLayout(tmp_path / "repo.git")
    with open_repository(layout.folder), open_quarantine(layout) as quarantine:
        assert not tidy_repository(layout, None)
        with keep_pushes_out(layout) as is_alone:
            assert not is_alone
        assert quarantine.folder.exists()
    assert list(layout.quarantines.iterdir()) == []
