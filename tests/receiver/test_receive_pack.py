"""Pushing with a real git: what is accepted, what is refused, and what is left behind."""

from __future__ import annotations

import random
import re
import time

import pytest

pytestmark = pytest.mark.git


def _seen(text: str) -> list[str]:
    return [line.rstrip() for line in text.replace("\r", "\n").replace("\x1b[K", "").splitlines()]


def test_first_push_deploys_and_moves_the_branch(pusher):
    text = pusher.push()
    assert _seen(text) == [
        "remote: -----> blog: First" + " " * 78 + "  0.50 s",
        "remote: -----> v18 live",
        "To ssh://node/blog",
        " * [new branch]      main -> main",
    ]
    assert pusher.references() == {"refs/heads/main": pusher.head()}
    pusher.assert_clean()


def test_further_push_sends_a_thin_pack_and_is_accepted(pusher):
    lines = "".join(f"line {number}\n" for number in range(2000))
    pusher.commit("Long", app_py=lines)
    pusher.push()
    pusher.commit("Longer", app_py=lines + "one more\n")
    pusher.push()
    assert pusher.references() == {"refs/heads/main": pusher.head()}
    pusher.assert_clean()


def test_refused_push_shows_why_and_changes_nothing(pusher):
    pusher.push()
    before = pusher.references(), pusher.node("count-objects", "-v")
    pusher.commit()
    pusher.set_node("refuse")
    text = pusher.push(status=1)
    assert "remote:          boom" in text
    assert "remote:  !     v19 never answered." in text
    assert " ! [remote rejected] main -> main (web exits at start)" in text
    assert (pusher.references(), pusher.node("count-objects", "-v")) == before
    pusher.assert_clean()
    pusher.set_node()
    pusher.push()
    pusher.assert_clean()


@pytest.mark.parametrize("deploy", ["crash", "forget"])
def test_failing_deploy_is_told_as_the_nodes_fault(pusher, deploy):
    pusher.set_node(deploy)
    text = pusher.push(status=1)
    incident = re.search(r"\(node failed, ([0-9a-f]{8})\)", text)[1]
    assert f"!     The node failed; its log has this under {incident}." in text
    assert "Nothing was changed." in text
    assert pusher.references() == {}
    pusher.assert_clean()


def test_failure_after_the_branch_moved_is_no_refusal(pusher):
    pusher.set_node("crash after moving")
    text = pusher.push()
    assert "The push was already live." in text
    assert pusher.references() == {"refs/heads/main": pusher.head()}


def test_nothing_to_push_says_what_is_live(pusher):
    pusher.push()
    text = pusher.push()
    assert "remote: v18 is live.\nremote: To build it again: toppcloud ps:rebuild\n" in text
    assert "Everything up-to-date" in text


def test_push_options_arrive(pusher):
    assert "option leave-files" in pusher.push("-o", "leave-files", "-o", "no-check", "toppcloud", "main")


def test_force_deploys_and_plain_push_of_another_history_does_not(pusher):
    pusher.commit("Second")
    pusher.push()
    pusher.git("reset", "-q", "--hard", "HEAD~1")
    pusher.commit("Other")
    assert "[rejected]" in pusher.push(status=1)
    pusher.push("--force", "toppcloud", "main")
    assert pusher.references() == {"refs/heads/main": pusher.head()}
    pusher.assert_clean()


def test_other_branch_is_refused_with_the_line_to_type(pusher):
    text = pusher.push("toppcloud", "main:feature", status=1)
    assert "git push toppcloud feature:main" in text
    assert " ! [remote rejected] main -> feature (only main is deployed)" in text
    pusher.push("toppcloud", "HEAD:main")
    assert list(pusher.references()) == ["refs/heads/main"]


@pytest.mark.parametrize("branch", ["main", "feature/x"])
def test_dry_run_is_taken_stores_nothing_and_moves_no_branch_at_the_pusher(pusher, branch):
    pusher.push()
    before = pusher.references(), pusher.node("count-objects", "-v"), pusher.git("for-each-ref", "refs/remotes")
    pusher.commit("Second")
    text = pusher.push("-o", "dry-run", "toppcloud", f"HEAD:refs/heads/{branch}")
    assert f"tried {branch}" in text
    assert f"HEAD -> refs/dry-run/{branch}" in text
    after = pusher.references(), pusher.node("count-objects", "-v"), pusher.git("for-each-ref", "refs/remotes")
    assert after == before
    pusher.assert_clean()
    pusher.push()
    assert pusher.references() == {"refs/heads/main": pusher.head()}


def test_refused_dry_run_is_an_exit_status_too(pusher):
    pusher.set_node("refuse")
    assert "(web exits at start)" in pusher.push("-o", "dry-run", "toppcloud", "main:feature", status=1)
    assert pusher.references() == {}
    pusher.assert_clean()


def test_dry_run_takes_one_branch(pusher):
    text = pusher.push("-o", "dry-run", "toppcloud", "main:one", "main:two", status=1)
    assert "A dry run builds one branch, and this push has 2: one, two" in text
    text = pusher.push("-o", "dry-run", "toppcloud", "HEAD:refs/tags/v1", status=1)
    assert "A dry run builds one branch, and this push has 0." in text
    pusher.push()
    assert "(nothing to build)" in pusher.push("-o", "dry-run", "toppcloud", ":main", status=1)
    pusher.assert_clean()


def test_large_push_of_another_branch_is_refused_in_words(pusher):
    pusher.commit("Large", data=random.Random(1).randbytes(3_000_000))
    text = pusher.push("toppcloud", "main:feature", status=1)
    assert "(only main is deployed)" in text


def test_master_deploys_until_there_is_a_main(pusher):
    pusher.push("toppcloud", "main:master")
    assert pusher.node("symbolic-ref", "HEAD").strip() == "refs/heads/master"
    assert "deploy branch cannot be deleted" in pusher.push("toppcloud", ":master", status=1)
    pusher.commit()
    pusher.push("toppcloud", "main:master")
    pusher.push("toppcloud", "main")
    assert pusher.node("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    pusher.commit("Third")
    assert "(only main is deployed)" in pusher.push("toppcloud", "main:master", status=1)
    pusher.push("toppcloud", ":master")
    assert list(pusher.references()) == ["refs/heads/main"]


def test_push_of_both_main_and_master_deploys_main_alone(pusher):
    text = pusher.push("toppcloud", "main", "main:master", status=1)
    assert "main -> master (only main is deployed)" in text
    assert pusher.references() == {"refs/heads/main": pusher.head()}


def test_deleting_the_deploy_branch_is_refused(pusher):
    pusher.push()
    text = pusher.push("toppcloud", "--delete", "main", status=1)
    assert " ! [remote rejected] main (deploy branch cannot be deleted)" in text
    assert list(pusher.references()) == ["refs/heads/main"]


def test_tags_are_stored_without_deploying(pusher):
    pusher.push()
    pusher.git("tag", "-a", "v1", "-m", "One")
    pusher.git("tag", "light")
    text = pusher.push("toppcloud", "--tags")
    assert "----->" not in text
    assert set(pusher.references()) == {"refs/heads/main", "refs/tags/v1", "refs/tags/light"}
    pusher.push("toppcloud", ":refs/tags/light")
    assert set(pusher.references()) == {"refs/heads/main", "refs/tags/v1"}
    pusher.assert_clean()


def test_tag_goes_in_although_the_deploy_beside_it_is_refused(pusher):
    pusher.git("tag", "v1")
    pusher.set_node("refuse")
    pusher.push("toppcloud", "main", "v1", status=1)
    assert list(pusher.references()) == ["refs/tags/v1"]
    pusher.assert_clean()


def test_atomic_push_is_all(pusher):
    pusher.git("tag", "v1")
    pusher.push("--atomic", "toppcloud", "main", "v1")
    assert set(pusher.references()) == {"refs/heads/main", "refs/tags/v1"}
    pusher.assert_clean()


@pytest.mark.parametrize("deploy", ["refuse", "crash", "accept"])
def test_atomic_push_is_nothing_when_one_line_is_refused(pusher, deploy):
    pusher.git("tag", "v1")
    pusher.set_node(deploy)
    lines = ["main", "v1"] + (["main:feature"] if deploy == "accept" else [])
    text = pusher.push("--atomic", "toppcloud", *lines, status=1)
    assert "v1 -> v1 (atomic push failed)" in text
    assert pusher.references() == {}
    pusher.assert_clean()


def test_tag_object_is_no_branch(pusher):
    pusher.git("tag", "-a", "v1", "-m", "One")
    text = pusher.push("toppcloud", "+v1:refs/heads/main", status=1)
    assert "(not a commit)" in text
    assert "TAG^{commit}:main" in text


def test_what_is_neither_branch_nor_tag_is_refused(pusher):
    assert "(neither branch nor tag)" in pusher.push("toppcloud", "main:refs/notes/x", status=1)


def test_submodule_is_accepted(pusher):
    pusher.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    pusher.git("commit", "-q", "-m", "Library")
    pusher.push()
    pusher.assert_clean()


def test_hooks_of_the_repository_never_run(pusher):
    pusher.push()
    for name in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction"):
        hook = pusher.repository / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {pusher.folder}/ran\n")
        hook.chmod(0o755)
    pusher.commit()
    pusher.push()
    pusher.git("fetch", "toppcloud")
    assert not (pusher.folder / "ran").exists()


def test_second_of_two_overlapping_pushes_is_told_and_the_first_is_kept(pusher):
    pusher.push()
    pusher.git("clone", "-q", "ssh://node/blog", "../other", folder=pusher.clone)
    other = type(pusher)(pusher.folder, pusher.folder / "other", pusher.node_git)
    other.git("remote", "rename", "origin", "toppcloud")
    mine, theirs = pusher.commit("Mine", mine_py="1"), other.commit("Theirs", theirs_py="2")
    pusher.set_node("wait")
    first = pusher.start_git("push", "toppcloud", "main")
    while not (pusher.folder / "node" / "waiting").exists():
        assert first.poll() is None
    pusher.set_node()
    other.push()
    (pusher.folder / "node" / "go").touch()
    text = first.communicate(timeout=60)[0].decode()
    assert first.returncode == 1
    assert f"Somebody else pushed {theirs[:7]} to main meanwhile." in text
    assert "(somebody else pushed meanwhile)" in text
    assert pusher.references() == {"refs/heads/main": theirs}
    pusher.git("pull", "-q", "--rebase", "toppcloud", "main")
    pusher.push()
    assert mine not in pusher.references().values()
    pusher.assert_clean()


def test_pusher_who_goes_away_is_noticed_and_leaves_nothing(pusher):
    pusher.set_node("until gone")
    git = pusher.start_git("push", "toppcloud", "main")
    root = pusher.folder / "node"
    while not (root / "waiting").exists():
        assert git.poll() is None
    git.kill()
    git.communicate()
    while not (root / "noticed").exists() or list((root / "blog" / "quarantine").iterdir()):
        time.sleep(0.01)
    assert pusher.references() == {}
    pusher.assert_clean()
