"""Cloning and fetching from the node with a real git."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.git

URL = "ssh://node/blog"


def _history(pusher, folder):
    return pusher.git("log", "--format=%H", "HEAD", folder=folder).split()


def test_clone_of_an_app_that_nobody_pushed_to_is_empty(pusher):
    text = pusher.git("clone", URL, "copy", folder=pusher.folder)
    assert "You appear to have cloned an empty repository" in text


def test_clone_of_what_is_no_app_makes_none(pusher):
    text = pusher.git("clone", "ssh://node/nobody/blog", "copy", folder=pusher.folder, status=128)
    assert "remote: There is no such app." in text
    assert not (pusher.folder / "node" / "nobody").exists()


@pytest.mark.parametrize("version", ["0", "2"])
def test_clone_and_fetch_bring_branch_and_tags(pusher, version):
    second = pusher.commit("Second")
    pusher.git("tag", "-a", "v1", "-m", "One")
    pusher.push("toppcloud", "main", "v1")
    protocol = ["-c", f"protocol.version={version}"]
    pusher.git(*protocol, "clone", "-q", URL, "copy", folder=pusher.folder)
    copy = pusher.folder / "copy"
    assert _history(pusher, copy) == _history(pusher, pusher.clone)
    assert (copy / "app.py").read_text() == "Second"
    third = pusher.commit("Third")
    pusher.push()
    pusher.git(*protocol, "fetch", "-q", "origin", folder=copy)
    assert pusher.git("rev-parse", "origin/main", "v1^{}", folder=copy).split() == [third, second]
    pusher.git("fsck", "--full", folder=copy)


def test_shallow_clone_can_be_deepened_and_pushed_from(pusher):
    for number in range(4):
        pusher.commit(f"Commit {number}")
    pusher.push()
    copy = pusher.folder / "copy"
    pusher.git("clone", "-q", "--depth", "2", URL, "copy", folder=pusher.folder)
    assert len(_history(pusher, copy)) == 2
    pusher.git("fetch", "-q", "--depth", "3", folder=copy)
    assert len(_history(pusher, copy)) == 3
    pusher.git("fetch", "-q", "--unshallow", folder=copy)
    assert len(_history(pusher, copy)) == 5


def test_push_from_a_shallow_clone_is_accepted_and_its_boundary_kept(pusher):
    for number in range(3):
        pusher.commit(f"Commit {number}")
    ci = type(pusher)(pusher.folder, pusher.folder / "ci", pusher.node_git)
    pusher.git("clone", "-q", "--depth", "2", f"file://{pusher.clone}", "ci", folder=pusher.folder)
    ci.git("remote", "add", "toppcloud", URL)
    ci.push()
    boundary = (pusher.repository / "shallow").read_text().split()
    assert boundary == [pusher.git("rev-parse", "HEAD~1").strip()]
    pusher.assert_clean()
    # later pushes: from the shallow clone, and from the whole one
    ci.commit("From CI", ci_py="1")
    ci.push()
    pusher.git("pull", "-q", str(ci.clone), "main")
    pusher.commit("Whole", whole_py="1")
    pusher.push()
    assert (pusher.repository / "shallow").read_text().split() == boundary
    pusher.assert_clean()
    # fetches: the boundary goes with the history
    pusher.git("clone", "-q", URL, "copy", folder=pusher.folder)
    assert len(_history(pusher, pusher.folder / "copy")) == 4
    pusher.git("clone", "-q", "--depth", "3", URL, "short", folder=pusher.folder)
    assert len(_history(pusher, pusher.folder / "short")) == 3
    pusher.git("clone", "-q", "--depth", "50", URL, "long", folder=pusher.folder)
    assert len(_history(pusher, pusher.folder / "long")) == 4
    pusher.commit("Later", whole_py="2")
    pusher.push()
    for copy in ("copy", "short", "long"):
        pusher.git("pull", "-q", folder=pusher.folder / copy)
        pusher.git("fsck", "--full", folder=pusher.folder / copy)


def test_boundary_goes_once_the_history_before_it_came(pusher):
    for number in range(3):
        pusher.commit(f"Commit {number}")
    pusher.git("branch", "before", "HEAD~1")
    source = f"file://{pusher.clone}"
    pusher.git("clone", "-q", "-b", "before", "--single-branch", source, "old", folder=pusher.folder)
    pusher.git("clone", "-q", "--depth", "1", source, "ci", folder=pusher.folder)
    pusher.git("push", URL, "main", folder=pusher.folder / "ci")
    assert (pusher.repository / "shallow").exists()
    text = pusher.push("toppcloud", "before:refs/tags/before", status=1)  # its git believes that the node has this
    assert "came from a shallow clone" in text
    pusher.git("push", URL, "before:refs/tags/before", folder=pusher.folder / "old")
    assert not (pusher.repository / "shallow").exists()
    assert len(pusher.node("log", "--format=%H", "main").split()) == 4
    pusher.assert_clean()


def test_refused_push_from_a_shallow_clone_leaves_no_boundary(pusher):
    pusher.commit("Second")
    pusher.git("clone", "-q", "--depth", "1", f"file://{pusher.clone}", "ci", folder=pusher.folder)
    pusher.set_node("refuse")
    pusher.git("push", URL, "main", folder=pusher.folder / "ci", status=1)
    assert not (pusher.repository / "shallow").exists()
    pusher.assert_clean()


def test_shallow_push_onto_the_history_it_was_cloned_from_makes_no_boundary(pusher):
    for number in range(3):
        pusher.commit(f"Commit {number}")
    pusher.push()
    pusher.git("clone", "-q", "--depth", "1", URL, "ci", folder=pusher.folder)
    ci = type(pusher)(pusher.folder, pusher.folder / "ci", pusher.node_git)
    ci.commit("From CI", ci_py="1")
    ci.push("origin", "main")
    assert not (pusher.repository / "shallow").exists()
    assert len(pusher.node("log", "--format=%H", "main").split()) == 5
    pusher.assert_clean()
