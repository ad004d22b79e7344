"""Which config vars app.json gives an app, and when no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpacks.app_json import EnvEntry
from deploy.configuration import read_config, stage
from hooks.seeds import Seeds, choose_seeds, find_seeds, seed_config
from toppcloud.account import this_account
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings

LANGUAGE = EnvEntry("LANGUAGE", value="en")
SECRET_KEY = EnvEntry("SECRET_KEY", is_secret=True)
TOKEN = EnvEntry("TOKEN", "of the shop", required=True)
MAYBE = EnvEntry("MAYBE", required=False)
UNSAID = EnvEntry("UNSAID")
ENV = (LANGUAGE, SECRET_KEY, TOKEN, MAYBE, UNSAID)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(Layout(tmp_path), NodeSettings(), this_account())


@pytest.fixture
def app(node: Node) -> AppLayout:
    app = node.layout.app("blog")
    app.folder.mkdir(parents=True)
    return app


def test_what_is_absent_is_given_made_up_required_or_named() -> None:
    assert choose_seeds(ENV, (), (), lambda: "f00") == Seeds(
        {"LANGUAGE": "en"}, {"SECRET_KEY": "f00"}, (TOKEN,), ("UNSAID",)
    )


def test_what_is_there_is_left_alone() -> None:
    present = [entry.name for entry in ENV]
    assert choose_seeds(ENV, present, ()) == Seeds({}, {}, (), ())


def test_what_was_given_once_and_is_gone_was_unset_by_somebody() -> None:
    required = EnvEntry("LANGUAGE", value="en", required=True)
    assert choose_seeds((LANGUAGE, SECRET_KEY), (), ("LANGUAGE", "SECRET_KEY")) == Seeds({}, {}, (), ())
    assert choose_seeds((required,), (), ("LANGUAGE",)).missing == (required,)


def test_secrets_are_long_and_never_the_same() -> None:
    first, second = (choose_seeds((SECRET_KEY,), (), ()).secrets["SECRET_KEY"] for _ in range(2))
    assert first != second
    assert len(first) == 64


def test_config_is_given_once_and_kept_over_failed_pushes(node: Node, app: AppLayout) -> None:
    lines: list[str] = []
    console = Console(lines.append)
    seed_config(node, app, (LANGUAGE, SECRET_KEY, MAYBE), console)
    config = read_config(app)
    assert config["LANGUAGE"] == "en"
    assert "MAYBE" not in config
    assert config["SECRET_KEY"] not in "".join(lines)
    assert "-----> app.json: LANGUAGE set" in lines
    lines.clear()
    seed_config(node, app, (LANGUAGE, SECRET_KEY), console)
    assert (read_config(app), lines) == (config, [])
    stage(app, {"LANGUAGE": None})
    seed_config(node, app, (LANGUAGE, SECRET_KEY), console)
    assert set(read_config(app)) == {"SECRET_KEY"}


def test_missing_ones_are_refused_together_with_the_line_that_sets_them(node: Node, app: AppLayout) -> None:
    shop = EnvEntry("SHOP_ID", required=True)
    with pytest.raises(ToppcloudError) as refusal:
        seed_config(node, app, (LANGUAGE, TOKEN, shop), Console(lambda _: None))
    assert refusal.value.what == "app.json requires TOKEN and SHOP_ID, which are not set."
    assert refusal.value.why == "TOKEN: of the shop"
    assert refusal.value.cure.splitlines()[0] == "toppcloud config:set -a blog TOKEN=… SHOP_ID=…"
    assert read_config(app) == {}
    stage(app, {"TOKEN": "x", "SHOP_ID": "3"})
    seed_config(node, app, (LANGUAGE, TOKEN, shop), Console(lambda _: None))
    assert read_config(app)["LANGUAGE"] == "en"


def test_looking_changes_nothing(node: Node, app: AppLayout) -> None:
    assert find_seeds(node, app, (LANGUAGE,)).values == {"LANGUAGE": "en"}
    assert list(app.folder.iterdir()) == []
