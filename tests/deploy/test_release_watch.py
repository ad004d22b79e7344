"""A new release is taken back when it asked for that and too much goes wrong; nothing else is counted against it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.app_settings import update_app_settings
from deploy.release import Release, write_release
from deploy.release_watch import ReleaseWatch, Watch, find_app_of
from deploy.router_errors import RouterError, parse_router_error, trim_router_errors
from deploy.start_key import StartKey
from toppcloud.account import this_account
from toppcloud.files import swap_symlink
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings
from toppcloud.slug import Check, Slug, write_slug

BLOG = StartKey("blog", 2, 1)


@dataclass
class Scene:
    """An app `blog` with v1 and v2 live, and what the watch did."""

    node: Node
    taken_back: list[tuple[str, int, int, int]] = field(default_factory=list)

    def watch(self) -> ReleaseWatch:
        def take_back(node: Node, watch: Watch) -> None:
            self.taken_back.append((watch.key.app, watch.key.release, watch.errors, watch.crashes))

        return ReleaseWatch(self.node, take_back)

    def make_release(self, app: str, number: int, kind: str = "push", check: Check | None = None) -> None:
        layout = self.node.layout.app(app)
        layout.release(number).folder.mkdir(parents=True)
        slug = layout.slug(f"slug-{number}")
        slug.folder.mkdir(parents=True)
        write_slug(slug, make_slug(slug.id, check or Check(auto_rollback_s=60, auto_rollback_after=3)))
        release = Release(number, kind, "", "", slug.id, "ana", "2026-11-22T14:45:04Z", {"web": "x"}, None)
        write_release(layout.release(number), release)
        layout.release(number).went_live.touch()
        swap_symlink(layout.current, f"releases/{number}")

    def log_error(self, host: str = "blog.localhost", *, age_s: float = 0.0, status: int = 500, **more: float) -> None:
        line = {"ts": time.time() - age_s, "status": status, "request": {"host": host}, **more}
        with self.node.layout.router_errors.open("a") as file:
            file.write(json.dumps(line) + "\n")


def make_slug(slug_id: str, check: Check) -> Slug:
    unknown = dict.fromkeys(("release_command", "venv_key", "python_version", "python_executable", "lock_hash"))
    texts = dict.fromkeys(("commit", "subject", "created_at", "buildpack", "content_hash"), "")
    return Slug(id=slug_id, processes={}, environment={}, distributions={}, check=check, **unknown, **texts)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    layout = Layout(tmp_path)
    layout.router_home.mkdir(parents=True)
    layout.routes.mkdir()
    for host in ("blog.localhost", "*.blog.example.com"):
        layout.route(host).symlink_to("../apps/blog")
    layout.route("shop.localhost").symlink_to("../apps/shop")
    scene = Scene(Node(layout, NodeSettings(), this_account()))
    scene.make_release("blog", 1)
    scene.make_release("blog", 2)
    return scene


def test_line_of_the_router_is_parsed_and_others_are_passed_over():
    line = b'{"ts": 100.5, "status": 502, "duration": 0.5, "request": {"host": "Blog.Localhost.:8080"}}'
    error = parse_router_error(line)
    assert error == RouterError(100.5, 502, "blog.localhost", 0.5)
    assert error.began_at == 100.0
    for other in (b"", b"[]", b"3", b'{"ts": 1', b'{"ts": 1, "status": 404, "request": {"host": "x"}}', b"\xff"):
        assert parse_router_error(other) is None
    assert parse_router_error(b'{"ts": 1, "status": 500, "request": {"host": "../x"}}') is None


def test_host_leads_to_an_app_by_its_own_route_or_a_wildcards(scene):
    layout = scene.node.layout
    assert find_app_of(layout, "shop.localhost") == "shop"
    assert find_app_of(layout, "any.blog.example.com") == "blog"
    assert find_app_of(layout, "a.b.blog.example.com") is None
    assert find_app_of(layout, "\0") is None


def test_enough_errors_take_the_release_back_once(scene):
    watch = scene.watch()
    watch.attend(BLOG)
    assert watch.timeout_s is not None
    scene.log_error()
    scene.log_error("x.blog.example.com", status=503)
    watch.turn(time.time())
    assert scene.taken_back == []
    scene.log_error()
    scene.log_error()
    watch.turn(time.time())
    scene.log_error()
    watch.turn(time.time())
    assert [taken[:2] for taken in scene.taken_back] == [("blog", 2)]


def test_crashes_count_with_errors_and_a_good_end_does_not(scene):
    watch = scene.watch()
    watch.attend(BLOG)
    watch.note_crash(BLOG, 0)
    watch.note_crash(StartKey("blog", 1, 1), 1)
    watch.note_crash(BLOG, -9)
    watch.note_crash(BLOG, None)
    assert scene.taken_back == []
    scene.log_error()
    watch.turn(time.time())
    assert scene.taken_back == [("blog", 2, 1, 2)]


def test_what_is_not_this_releases_fault_is_not_counted(scene):
    watch = scene.watch()
    watch.attend(BLOG)
    for _ in range(5):
        scene.log_error("shop.localhost")
        scene.log_error("nobody.localhost")
        scene.log_error(age_s=30)
        scene.log_error(duration=30.0)
    watch.turn(time.time())
    update_app_settings(scene.node.layout.app("blog"), stopped=True)
    for _ in range(5):
        scene.log_error(status=503)
    watch.turn(time.time())
    assert scene.taken_back == []


def test_restart_of_the_release_goes_on_counting_and_a_killed_doorman_counts_anew(scene):
    watch = scene.watch()
    watch.attend(BLOG)
    scene.log_error()
    watch.turn(time.time())
    watch.attend(StartKey("blog", 2, 2))
    watch.note_crash(StartKey("blog", 2, 2), 1)
    again = scene.watch()
    again.attend(StartKey("blog", 2, 2))
    scene.log_error()
    again.turn(time.time())
    assert scene.taken_back == []
    watch.turn(time.time())
    assert scene.taken_back == [("blog", 2, 2, 1)]


@pytest.mark.parametrize("kind", ["rollback", "service"])
def test_going_back_would_not_help_a_rollback_or_a_service_change(scene, kind):
    scene.make_release("blog", 3, kind)
    watch = scene.watch()
    watch.attend(StartKey("blog", 3, 1))
    assert watch.timeout_s is None


def test_release_that_did_not_ask_or_has_none_before_it_is_not_watched(scene):
    scene.make_release("blog", 3, check=Check())
    scene.make_release("shop", 1)
    watch = scene.watch()
    watch.attend(StartKey("blog", 3, 1))
    watch.attend(StartKey("shop", 1, 1))
    watch.attend(StartKey("gone", 1, 1))
    assert watch.timeout_s is None


def test_watch_ends_with_its_time_with_the_release_and_with_the_app(scene):
    watch = scene.watch()
    watch.attend(BLOG)
    watch.turn(time.time() + 61)
    assert watch.timeout_s is None
    watch.attend(BLOG)
    scene.make_release("blog", 3, "rollback")
    watch.turn(time.time())
    assert watch.timeout_s is None
    went_live = scene.node.layout.app("blog").release(2).went_live
    os.utime(went_live, (time.time() - 61, time.time() - 61))
    watch.attend(BLOG)
    assert watch.timeout_s is None


def test_log_that_is_rotated_is_read_on(scene):
    log = scene.node.layout.router_errors
    watch = scene.watch()
    watch.attend(BLOG)
    scene.log_error()
    watch.turn(time.time())
    scene.log_error()
    log.rename(log.with_name("errors.log.1"))
    scene.log_error()
    watch.turn(time.time())
    watch.turn(time.time())
    assert scene.taken_back == [("blog", 2, 3, 0)]


def test_log_that_is_emptied_is_read_on(scene):
    watch = scene.watch()
    watch.attend(BLOG)
    scene.log_error()
    scene.log_error(a_longer_line=1.0)
    watch.turn(time.time())
    os.truncate(scene.node.layout.router_errors, 0)
    scene.log_error()
    watch.turn(time.time())
    assert scene.taken_back == [("blog", 2, 3, 0)]


def test_large_log_is_emptied_and_nothing_else_in_its_place(scene):
    log = scene.node.layout.router_errors
    log.write_bytes(b"x" * 100)
    trim_router_errors(log)
    assert log.stat().st_size == 100
    os.truncate(log, 11 * 1024**2)
    other = log.with_name("other")
    other.hardlink_to(log)
    trim_router_errors(log)
    assert log.stat().st_size == 11 * 1024**2
    log.unlink()
    log.symlink_to(other)
    trim_router_errors(log)
    assert other.stat().st_size == 11 * 1024**2
    other.rename(log)
    trim_router_errors(log)
    assert log.stat().st_size == 0
    trim_router_errors(log.with_name("none"))


def test_app_that_cannot_be_watched_does_not_harm_the_others(scene):
    scene.make_release("shop", 1)
    scene.make_release("shop", 2)
    scene.node.layout.app("shop").slug("slug-2").record.write_text("{")
    watch = scene.watch()
    watch.attend(StartKey("shop", 2, 1))
    watch.attend(BLOG)
    for _ in range(3):
        scene.log_error()
    watch.turn(time.time())
    assert [taken[0] for taken in scene.taken_back] == ["blog"]
