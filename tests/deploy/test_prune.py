"""What goes at once, what is only set aside because it would take long, and what the pruner does when it is alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deploy.prune import prune_releases
from deploy.pruner import main, prune_app
from deploy.release import Release, mark_live, write_release
from tests.tiny_slug import TINY_SLUG
from toppcloud.account import this_account
from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.console import Console
from toppcloud.files import swap_symlink
from toppcloud.layout import Layout
from toppcloud.lock import hold_lock
from toppcloud.node import Node
from toppcloud.settings import NodeSettings
from toppcloud.slug import write_slug

SLUG = dataclasses.replace(TINY_SLUG, id="a", commit="", processes={})
MANY = 600


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(Layout(tmp_path), NodeSettings(), this_account())


@pytest.fixture
def app(node: Node) -> AppLayout:
    app = node.layout.app("blog")
    app.releases.mkdir(parents=True)
    return app


def deploy(app: AppLayout, version: int, count: int) -> ReleaseLayout:
    """A release whose source has `count` files."""
    slug = app.slug(f"slug{version}")
    release = app.release(version)
    for source in (slug.source, release.source):
        source.mkdir(parents=True)
        for number in range(count):
            (source / f"{number}.txt").touch()
    write_slug(slug, dataclasses.replace(SLUG, id=slug.id))
    write_release(release, Release(version, "push", "", "", slug.id, "ana", "", {}, None))
    mark_live(release)
    swap_symlink(app.current, f"releases/{version}")
    return release


def list_removed(app: AppLayout) -> list[Path]:
    return list(app.folder.glob("**/.gone-*"))


def test_source_of_a_drained_release_goes_and_the_live_one_stays(node: Node, app: AppLayout) -> None:
    old, live = deploy(app, 1, 3), deploy(app, 2, 3)
    assert not prune_releases(node, app, Console(print))
    assert not old.source.exists() and live.source.is_dir()
    assert not list_removed(app)


def test_source_of_a_release_that_still_drains_stays(node: Node, app: AppLayout) -> None:
    old = deploy(app, 1, 3)
    deploy(app, 2, 3)
    (old.starts / "1").mkdir(parents=True)
    prune_app(node, app, Console(print))
    assert old.source.is_dir()


def test_many_files_are_set_aside_for_the_pruner(node: Node, app: AppLayout) -> None:
    old = deploy(app, 1, MANY)
    deploy(app, 2, 3)
    assert prune_releases(node, app, Console(print))
    assert not old.source.exists()
    assert [len(list(path.iterdir())) for path in list_removed(app)] == [MANY]
    prune_app(node, app, Console(print))
    assert not list_removed(app)


def test_pruner_changes_nothing_while_somebody_changes_the_app(node: Node, app: AppLayout) -> None:
    old = deploy(app, 1, 3)
    deploy(app, 2, 3)
    with hold_lock(app.release_lock, by="ana", doing="config:set"):
        prune_app(node, app, Console(print))
    assert old.source.is_dir()


def test_pruner_of_an_app_that_is_gone_has_nothing_to_do(node: Node) -> None:
    prune_app(node, node.layout.app("never"), Console(print))


def test_program_prunes_the_app_that_it_is_told(tmp_path: Path, node: Node, app: AppLayout) -> None:
    node.layout.node_toml.touch()
    old = deploy(app, 1, MANY)
    deploy(app, 2, 3)
    main(["--root", str(tmp_path), "--app", "blog"])
    assert not old.source.exists() and not list_removed(app)
