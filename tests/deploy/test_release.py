from __future__ import annotations

from pathlib import Path

import pytest

from deploy.release import (
    Release,
    ReleaseEnvironment,
    mark_failed,
    mark_live,
    read_environment,
    read_history,
    require_rollback_target,
    take_number,
    write_environment,
    write_release,
)
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, swap_symlink
from toppcloud.layout import Layout


@pytest.fixture
def app(tmp_path: Path) -> AppLayout:
    app = Layout(tmp_path).app("blog")
    app.folder.mkdir(parents=True)
    return app


def make_release(app: AppLayout, *, live: bool = True, copy_of: int | None = None) -> int:
    layout = take_number(app)
    kind = "rollback" if copy_of else "push"
    write_release(
        layout,
        Release(layout.number, kind, "x", "a" * 40, "slug", "ana", "2026-11-22T14:45:04Z", {"web": "x"}, None, copy_of),
    )
    if live:
        swap_symlink(app.current, f"releases/{layout.number}")
        mark_live(layout)
    else:
        mark_failed(layout, ToppcloudError("x", reason="release command failed"))
    return layout.number


def test_numbers_are_never_taken_twice(app: AppLayout) -> None:
    make_release(app)
    make_release(app, live=False)
    assert make_release(app) == 3


def test_history_says_what_became_of_each(app: AppLayout) -> None:
    make_release(app)
    make_release(app, live=False)
    make_release(app)
    assert [(entry.release.version, entry.status, entry.reason) for entry in read_history(app)] == [
        (3, "live", None),
        (2, "failed", "release command failed"),
        (1, "superseded", None),
    ]


def test_a_release_without_record_does_not_exist(app: AppLayout) -> None:
    make_release(app)
    take_number(app)
    assert [entry.release.version for entry in read_history(app)] == [1]


def test_rollback_goes_to_the_last_that_went_live(app: AppLayout) -> None:
    make_release(app)
    make_release(app, live=False)
    make_release(app)
    assert require_rollback_target(app, None).version == 1


def test_a_rollback_after_a_rollback_does_not_return_to_the_bad_one(app: AppLayout) -> None:
    good, _bad = make_release(app), make_release(app)
    make_release(app, copy_of=good)
    with pytest.raises(ToppcloudError, match="no release before v1"):
        require_rollback_target(app, None)


def test_two_rollbacks_go_further_back(app: AppLayout) -> None:
    make_release(app)
    make_release(app)
    make_release(app)
    make_release(app, copy_of=2)
    assert require_rollback_target(app, None).version == 1


def test_a_bad_push_after_a_rollback_goes_back_to_the_rollback(app: AppLayout) -> None:
    make_release(app)
    make_release(app)
    make_release(app, copy_of=1)
    make_release(app)
    assert require_rollback_target(app, None).version == 3


@pytest.mark.parametrize("version", [2, 3, 9])
def test_targets_that_are_refused(app: AppLayout, version: int) -> None:
    make_release(app)
    make_release(app, live=False)
    make_release(app)
    with pytest.raises(ToppcloudError):
        require_rollback_target(app, version)


def test_the_frozen_environment_is_private_and_config_wins(app: AppLayout) -> None:
    layout = take_number(app)
    write_environment(layout, ReleaseEnvironment({"A": "mine"}, {"A": "theirs", "B": "theirs"}))
    assert layout.env.stat().st_mode & 0o777 == 0o600
    assert read_environment(layout).merged() == {"A": "mine", "B": "theirs"}
    assert "mine" not in repr(read_environment(layout))


def test_a_rollback_whose_target_was_pruned_does_not_return_to_the_bad_one_either(app: AppLayout) -> None:
    good, _bad = make_release(app), make_release(app)
    make_release(app, copy_of=good)
    remove_tree(app.release(good).folder)
    with pytest.raises(ToppcloudError, match="no release before v1"):
        require_rollback_target(app, None)
