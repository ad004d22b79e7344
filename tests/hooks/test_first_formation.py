"""The formation of app.json counts for the first release, where nobody scaled."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deploy.app_settings import read_app_settings, update_app_settings
from hooks.first_formation import hold_first_formation
from tests.tiny_slug import TINY_SLUG
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console

SCALED = dataclasses.replace(
    TINY_SLUG, processes={"web": "a", "worker": "b", "clock": "c"}, formation={"web": 2, "worker": 3, "gone": 1}
)


@pytest.fixture
def app(tmp_path: Path) -> AppLayout:
    return AppLayout(tmp_path)


def test_first_release_is_scaled_where_nobody_did(app: AppLayout) -> None:
    lines: list[str] = []
    update_app_settings(app, formation={"worker": 1})
    with hold_first_formation(app, SCALED, Console(lines.append)):
        assert read_app_settings(app).formation == {"web": 2, "worker": 1}
    assert read_app_settings(app).formation == {"web": 2, "worker": 1}
    assert lines == ["-----> app.json: web=2"]


def test_refused_release_takes_it_back(app: AppLayout) -> None:
    with pytest.raises(KeyError), hold_first_formation(app, SCALED, Console(lambda _: None)):
        raise KeyError
    assert read_app_settings(app).formation == {}


def test_later_releases_are_not_scaled(app: AppLayout) -> None:
    app.current.symlink_to("releases/3")
    with hold_first_formation(app, SCALED, Console(lambda _: None)):
        assert read_app_settings(app).formation == {}
