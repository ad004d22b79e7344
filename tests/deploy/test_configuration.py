from __future__ import annotations

from pathlib import Path

import pytest

from deploy.configuration import read_staged, stage, unstage
from toppcloud.app_layout import AppLayout


@pytest.fixture
def app(tmp_path: Path) -> AppLayout:
    return AppLayout(tmp_path)


def test_what_a_release_took_waits_no_more(app: AppLayout) -> None:
    stage(app, {"A": "1", "B": None})
    unstage(app, read_staged(app))
    assert read_staged(app) == {}
    assert not app.staged_config.exists()


def test_what_was_staged_while_a_release_was_made_goes_on_waiting(app: AppLayout) -> None:
    stage(app, {"A": "1", "B": "1"})
    taken = read_staged(app)
    stage(app, {"B": "2", "C": None})
    unstage(app, taken)
    assert read_staged(app) == {"B": "2", "C": None}
