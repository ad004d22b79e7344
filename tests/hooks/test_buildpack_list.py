"""How commands change the list of buildpacks, with Heroku's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.app_settings import update_app_settings
from hooks.buildpack_list import (
    add_buildpack,
    clear_buildpacks,
    read_buildpacks,
    remove_buildpack,
    set_buildpacks,
    show_buildpacks,
)
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout

APT = "https://github.com/heroku/heroku-buildpack-apt"


@pytest.fixture
def app(tmp_path: Path) -> AppLayout:
    app = Layout(tmp_path).app("blog")
    app.folder.mkdir(parents=True)
    return app


def test_one_takes_the_first_place_or_that_of_its_number_and_several_are_the_whole_list(app: AppLayout) -> None:
    assert set_buildpacks(app, ("heroku/python",), None) == ("python",)
    assert set_buildpacks(app, (APT, "heroku/python"), None) == (APT, "python")
    assert set_buildpacks(app, ("nodejs",), None) == ("nodejs", "python")
    assert set_buildpacks(app, ("ruby",), 2) == ("nodejs", "ruby")
    assert set_buildpacks(app, (APT,), 9) == ("nodejs", "ruby", APT)
    assert read_buildpacks(app) == ("nodejs", "ruby", APT)
    clear_buildpacks(app)
    assert read_buildpacks(app) == ()


def test_added_at_the_end_or_at_a_number(app: AppLayout) -> None:
    assert add_buildpack(app, "python", None) == ("python",)
    assert add_buildpack(app, "nodejs", 1) == ("nodejs", "python")
    assert add_buildpack(app, APT, 2) == ("nodejs", APT, "python")
    assert add_buildpack(app, "static", 99) == ("nodejs", APT, "python", "static")


def test_removed_by_name_or_number(app: AppLayout) -> None:
    set_buildpacks(app, ("nodejs", APT, "python"), None)
    assert remove_buildpack(app, "heroku/python", None) == ("nodejs", APT)
    assert remove_buildpack(app, None, 1) == (APT,)
    assert remove_buildpack(app, APT, None) == ()


def test_what_cannot_be_is_refused_and_changes_nothing(app: AppLayout) -> None:
    set_buildpacks(app, (APT, "python"), None)
    for change, what in (
        (lambda: add_buildpack(app, "heroku/python", None), "there twice"),
        (lambda: add_buildpack(app, "pyton", None), "Did you mean 'python'"),
        (lambda: add_buildpack(app, "ext::sh -c id", None), "no address"),
        (lambda: add_buildpack(app, "nodejs", 0), "no number"),
        (lambda: set_buildpacks(app, ("nodejs", "python"), 1), "--index"),
        (lambda: remove_buildpack(app, None, 3), "no buildpack number 3"),
        (lambda: remove_buildpack(app, None, -1), "no number"),
        (lambda: remove_buildpack(app, "pythn", None), "Did you mean 'python'"),
        (lambda: remove_buildpack(app, None, None), "Say which"),
        (lambda: remove_buildpack(app, "python", 1), "Say which"),
    ):
        with pytest.raises(ToppcloudError, match=what):
            change()
    assert read_buildpacks(app) == (APT, "python")


def test_credentials_are_kept_for_the_node_and_shown_to_nobody(app: AppLayout) -> None:
    address = "https://ana:s3cret@example.com/x.git#v1"
    set_buildpacks(app, (address,), None)
    assert read_buildpacks(app) == (address,)
    assert show_buildpacks(read_buildpacks(app)) == ["https://***@example.com/x.git#v1"]
    assert app.settings.stat().st_mode & 0o077 == 0
    assert remove_buildpack(app, "https://***@example.com/x.git#v1", None) == ()


def test_settings_of_before_are_read(app: AppLayout) -> None:
    update_app_settings(app, idle="2h")
    assert add_buildpack(app, "python", None) == ("python",)
