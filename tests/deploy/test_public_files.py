"""Which folders the router is led to by a release, and how long the slug before is kept for it."""

from __future__ import annotations

import dataclasses

import pytest

from deploy.prune import prune_releases
from deploy.public_files import find_slug_before, hide_files, publish_files
from deploy.release import Release, mark_live, write_release
from toppcloud.account import this_account
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.files import swap_symlink
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings
from toppcloud.slug import Slug, write_slug

SLUG = Slug("", "", "", "", "python 2", {}, None, {}, None, None, None, None, {}, "", static=(("static", "out"),))


@pytest.fixture
def app(tmp_path) -> AppLayout:
    app = AppLayout(tmp_path / "apps" / "blog")
    app.releases.mkdir(parents=True)
    return app


def deploy(app: AppLayout, version: int, slug_id: str, *, is_stopped: bool = False):
    layout, slug = app.slug(slug_id), dataclasses.replace(SLUG, id=slug_id)
    layout.public.mkdir(parents=True, exist_ok=True)
    write_slug(layout, slug)
    release = app.release(version)
    release.folder.mkdir()
    publish_files(app, release, slug, is_stopped=is_stopped)
    write_release(release, Release(version, "push", "", "", slug_id, "ana", "", {}, None))
    mark_live(release)
    swap_symlink(app.current, f"releases/{version}")
    return release


def test_links_stay_right_when_the_app_is_renamed(app):
    deploy(app, 1, "a")
    release = deploy(app, 2, "b")
    assert str(release.public.readlink()) == "../../slugs/b/public"
    assert str(release.public_before.readlink()) == "../../slugs/a/public"
    assert not release.public_hashed.is_symlink()
    app.folder.rename(app.folder.with_name("shop"))
    assert AppLayout(app.folder.with_name("shop")).release(2).public_before.is_dir()


def test_slug_before_is_the_last_other_one(app):
    assert find_slug_before(app, deploy(app, 1, "a")) is None
    assert find_slug_before(app, deploy(app, 2, "b")) == "a"
    assert find_slug_before(app, deploy(app, 3, "b")) == "a"
    assert find_slug_before(app, deploy(app, 4, "a")) == "b"


def test_release_that_never_went_live_is_nobody_s_before(app):
    deploy(app, 1, "a")
    deploy(app, 2, "b").went_live.unlink()
    assert find_slug_before(app, deploy(app, 3, "c")) == "a"


def test_stopped_app_has_no_links(app):
    deploy(app, 1, "a")
    release = deploy(app, 2, "b", is_stopped=True)
    assert not any(path.is_symlink() for path in release.folder.iterdir())
    publish_files(app, release, dataclasses.replace(SLUG, id="b"), is_stopped=False)
    assert release.public.is_dir()
    hide_files(release)
    assert not any(path.is_symlink() for path in release.folder.iterdir())


def test_slug_before_outlives_its_release(app, tmp_path):
    node = Node(Layout(tmp_path), NodeSettings(kept_releases=1), this_account())
    for version, slug_id in enumerate("abc", 1):
        deploy(app, version, slug_id)
        prune_releases(node, app, Console(print))
    assert app.release_numbers() == [3]
    assert sorted(path.name for path in app.slugs.iterdir()) == ["b", "c"]
    assert app.release(3).public_before.is_dir()
