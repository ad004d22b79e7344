"""releases:diff: what is other, told in lines and as JSON; values only when asked for."""

from __future__ import annotations

import dataclasses
import json

import pytest
from dulwich.objects import Commit, Tree

from buildpacks.manifest import Manifest, write_manifest
from deploy.release import Release, ReleaseEnvironment, mark_live, write_environment, write_release
from receiver.commands.release_difference import diff
from receiver.repository import open_repository
from tests.tiny_slug import TINY_SLUG
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, swap_symlink
from toppcloud.slug import Check, ServiceDeclaration, Web, write_slug

SLUG = dataclasses.replace(
    TINY_SLUG,
    processes={},
    python_version="3.11.2",
    distributions={"django": "5.2.8", "six": "1.17.0"},
    python_build="one",
    manager="pip",
    distribution_hashes={"six": "sha256:1"},
)


@pytest.fixture
def commit(session):
    """Makes a commit on top of the last one, and returns its id."""

    parents = []

    def make(subject):
        with open_repository(session.app("blog").repository) as repo:
            tree, made = Tree(), Commit()
            made.tree, made.parents, made.message = tree.id, list(parents), subject.encode()
            made.author = made.committer = b"Ana <ana@example.com>"
            made.author_time = made.commit_time = 1_790_000_000 + len(parents)
            made.author_timezone = made.commit_timezone = 0
            repo.object_store.add_objects([(tree, None), (made, None)])
        parents[:] = [made.id]
        return made.id.decode()

    return make


@pytest.fixture
def release(session):
    """Makes a release that went live, with a slug of its own."""

    def make(version, commit, *, config=None, services=None, files=None, processes=None, declared=(), **changes):
        app = session.app("blog")
        slug = dataclasses.replace(
            SLUG, id=f"slug-{version}", commit=commit, processes=processes or {}, services=declared, **changes
        )
        app.slug(slug.id).folder.mkdir(parents=True)
        write_manifest(app.slug(slug.id).manifest, Manifest(files or {}))
        write_slug(app.slug(slug.id), slug)
        layout = app.release(version)
        layout.folder.mkdir(parents=True)
        write_environment(layout, ReleaseEnvironment(config or {}, services or {}))
        write_release(
            layout,
            Release(version, "push", "", commit, slug.id, "ana", "2026-11-22T14:45:04Z", slug.processes, None),
        )
        mark_live(layout)
        swap_symlink(app.current, f"releases/{version}")

    return make


def say(session, *versions, show=False, as_json=False):
    session.stdout.seek(0)
    session.stdout.truncate()
    diff(session, app="blog", versions=versions, show=show, as_json=as_json)
    text = session.stdout.getvalue().decode()
    return json.loads(text) if as_json else text


@pytest.fixture
def two(release, commit):
    """v1 and v2, with something other of every kind."""
    release(
        1,
        commit("Start"),
        config={"SECRET": "old-value", "DEBUG": "1"},
        files={b"a.py": "1" * 64, b"old.py": "2" * 64},
        processes={"web": "gunicorn a"},
    )
    commit("Fix login")
    release(
        2,
        commit("Add search"),
        config={"SECRET": "new-value", "STRIPE": "key"},
        services={"DATABASE_URL": "postgres://ana:password@x/blog"},
        files={b"a.py": "3" * 64, b"new.py": "2" * 64},
        processes={"web": "gunicorn b", "worker": "work"},
        distributions={"django": "5.2.9", "six": "1.17.0", "httpx": "0.28.1"},
        distribution_hashes={"six": "sha256:2"},
        python_version="3.12.7",
        python_build="two",
        declared=(ServiceDeclaration("postgres", {"scheme": "postgres"}),),
    )


def test_everything_that_is_other_is_told_and_no_value_of_config(session, two):
    said = say(session)
    assert said.splitlines()[0] == (
        "v1 -> v2: 2 commits, 3 files, 3 packages, 3 config vars, 1 service variable, 2 processes, 1 service, Python"
    )
    for line in (
        " Add search\n",
        " Fix login\n",
        "files           ~ a.py\n                + new.py\n                - old.py\n",
        "packages        ~ django 5.2.8 -> 5.2.9\n                + httpx 0.28.1\n",
        "six: same version, other files\n",
        "build           ~ Python: 3.11.2 -> 3.12.7\n",
        "config          - DEBUG\n                ~ SECRET\n                + STRIPE\n",
        "service vars    + DATABASE_URL\n",
        "processes       ~ web: gunicorn a -> gunicorn b\n                + worker: work\n",
        "services        + postgres: scheme=postgres\n",
    ):
        assert line in said
    assert not any(value in said for value in ("old-value", "new-value", "key", "password"))
    assert all(len(line) <= 100 for line in said.splitlines()[1:])


def test_values_are_told_when_asked_for(session, two):
    assert "~ SECRET: old-value -> new-value\n" in say(session, show=True)
    assert say(session, as_json=True)["config"] == {"DEBUG": "removed", "SECRET": "changed", "STRIPE": "added"}
    assert say(session, show=True, as_json=True)["config"]["SECRET"] == ["old-value", "new-value"]


def test_versions_are_taken_in_their_order(session, two):
    said = say(session, "v2", "v1", as_json=True)
    assert (said["old"], said["new"], said["commits"]) == (2, 1, [])
    assert [commit["subject"] for commit in said["commits_left"]] == ["Add search", "Fix login"]
    assert said["packages"]["django"] == ["5.2.9", "5.2.8"]
    assert say(session, "v1", as_json=True)["new"] == 2


def test_equal_releases_are_told_to_be_equal(session, release, commit):
    first = commit("Start")
    for version in (1, 2):
        release(version, first, config={"A": "1"}, files={b"a.py": "1" * 64})
    assert say(session) == "v1 -> v2: the same code, packages, config, processes and services\n"
    assert say(session, as_json=True)["same"] is True


def test_only_modes_that_are_other_are_told(session, release, commit):
    first = commit("Start")
    for version in (1, 2):
        release(version, first, content_hash=f"sha256:{version}")
    assert say(session) == "v1 -> v2: modes of files or links\n"


def test_what_is_gone_is_told_and_the_rest_is_compared(session, two):
    app = session.app("blog")
    remove_tree(app.slug("slug-1").folder)
    app.release(1).env.unlink()
    said = say(session)
    assert "The slug of v1 is gone: its files, packages and services are not known any more." in said
    assert "v1 never went live: its config is not kept." in said
    assert "processes       ~ web: gunicorn a -> gunicorn b\n" in said
    assert say(session, as_json=True)["files"] is None


def test_commit_that_is_not_on_the_node_is_no_hindrance(session, release, commit):
    release(1, "0" * 40)
    release(2, commit("Add search"), processes={"web": "x"})
    assert "Not all commits between them are on the node." in say(session)


def test_long_lists_are_cut_and_say_where_all_of_it_is(session, release, commit):
    first = commit("Start")
    release(1, first)
    release(2, first, files={f"{n:03d}.py".encode(): "1" * 64 for n in range(50)})
    lines = say(session).splitlines()
    assert (len(lines), lines[-1].strip()) == (21, "and 31 more (--json)")
    assert len(say(session, as_json=True)["files"]) == 50


def test_release_that_is_not_there_is_refused_with_those_that_are(session, two):
    with pytest.raises(ToppcloudError, match="There is no release v7 of blog") as refused:
        say(session, "v7")
    assert refused.value.why == "Kept are: v2, v1."
    with pytest.raises(ToppcloudError, match="Two releases at most"):
        say(session, "v1", "v2", "v1")


def test_only_release_has_nothing_to_be_compared_with(session, release, commit):
    release(1, commit("Start"))
    with pytest.raises(ToppcloudError, match="v1 is the only release that blog has"):
        say(session)


def test_everything_else_that_a_slug_says_is_compared(session, release, commit):
    first = commit("Start")
    release(1, first, web=Web(idle="15m"), environment={"NODE_ENV": "production"})
    release(2, first, web=Web(sleeps_with=("worker",)), kept_paths=("uploads",), check=Check("/up"))
    facts = say(session, as_json=True)["facts"]
    assert facts == {
        "check path": ["/", "/up"],
        "default NODE_ENV": ["production", None],
        "kept paths": [None, "uploads"],
        "web idle": ["15m", None],
        "web sleeps with": [None, "worker"],
    }
    assert "~ check path: / -> /up\n" in say(session)


def test_history_that_ends_on_the_node_is_told(session, release, commit):
    first = commit("Start")
    with open_repository(session.app("blog").repository) as repo:
        shallow = repo[first.encode()].copy()
        shallow.parents = [b"1" * 40]
        repo.object_store.add_object(shallow)
    release(1, first)
    release(2, shallow.id.decode())
    assert "The history on the node ends between them: there may be other commits." in say(session)


def test_names_from_a_commit_move_no_cursor(session, release, commit):
    release(1, commit("Start"))
    release(2, commit("Red \x1b[31m"), files={b"a\x1b[2J\n.py": "1" * 64})
    said = say(session)
    assert "\x1b" not in said
    assert "+ a\\x1b[2J\\n.py\n" in said


def test_live_release_alone_is_compared_with_the_one_before(session, two):
    assert say(session, "v2") == say(session)
