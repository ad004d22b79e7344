from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from deploy.app_lock import lock_app, lock_release
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.lock import LockBusy, hold_lock


@pytest.fixture
def app(tmp_path: Path) -> AppLayout:
    (tmp_path / "blog").mkdir()
    return AppLayout(tmp_path / "blog")


def test_who_waits_is_told_for_whom(app: AppLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.app_lock._PATIENCE_S", 0.01)
    monkeypatch.setattr("deploy.app_lock._TIMEOUT_S", 0.01)
    lines: list[str] = []
    with (
        hold_lock(app.release_lock, by="ana", doing="restarting"),
        pytest.raises(ToppcloudError, match="ana, restarting"),
        lock_release(app, by="bo", doing="x", console=Console(lines.append)),
    ):
        pass
    assert "waiting for ana, restarting" in lines[0]


@pytest.mark.parametrize("lock", [lock_release, lock_app])
def test_another_lock_that_the_block_does_not_get_is_not_taken_for_this_one(
    app: AppLayout, lock: Callable[..., AbstractContextManager[None]]
) -> None:
    lines: list[str] = []
    with (
        hold_lock(app.settings_lock, by="ana", doing="x"),
        pytest.raises(LockBusy),
        lock(app, by="bo", doing="x", console=Console(lines.append)),
        hold_lock(app.settings_lock, by="bo", doing="y"),
    ):
        pass
    assert lines == []


def test_app_that_is_built_is_neither_renamed_nor_destroyed(app: AppLayout) -> None:
    with (
        hold_lock(app.build_lock, by="ana", doing="building a41c9e2"),
        pytest.raises(ToppcloudError, match="is being built: ana, building a41c9e2"),
        lock_app(app, by="bo", doing="destroying", console=Console(print)),
    ):
        pass


def test_app_that_went_while_its_lock_was_waited_for_is_named(app: AppLayout) -> None:
    app.folder.rmdir()
    with (
        pytest.raises(ToppcloudError, match="no app 'blog' any more"),
        lock_release(app, by="bo", doing="x", console=Console(print)),
    ):
        pass
