"""Which lines of a push are taken."""

from __future__ import annotations

import pytest

from receiver.push_policy import choose_deploy_branch, find_refusal
from receiver.references import ReferenceUpdate

A = b"a" * 40


def _update(name: str, *, is_deletion: bool = False) -> ReferenceUpdate:
    return ReferenceUpdate(name, A, None if is_deletion else A)


@pytest.mark.parametrize(
    ("present", "pushed", "deployed"),
    [
        ([], ["main"], "main"),
        ([], ["master"], "master"),
        ([], ["main", "master"], "main"),
        ([], ["feature"], "main"),
        (["master"], ["master"], "master"),
        (["master"], ["feature"], "master"),
        (["master"], ["main"], "main"),
        (["main", "master"], ["master"], "main"),
    ],
)
def test_master_stands_in_for_a_main_that_is_nowhere(present, pushed, deployed):
    references = {f"refs/heads/{name}" for name in present}
    assert choose_deploy_branch("main", references, [_update(f"refs/heads/{name}") for name in pushed]) == deployed


def test_another_deploy_branch_has_no_stand_in():
    assert choose_deploy_branch("live", [], [_update("refs/heads/master")]) == "live"


def test_refused_branch_is_told_the_line_to_type():
    refusal = find_refusal(_update("refs/heads/feature/x"), "master")
    assert refusal.cure == "To deploy it: git push toppcloud feature/x:master"


@pytest.mark.parametrize(
    "update",
    [_update("refs/heads/main"), _update("refs/tags/v1"), _update("refs/heads/old", is_deletion=True)],
    ids=lambda update: update.name,
)
def test_deploy_branch_tags_and_clearing_up_are_taken(update):
    assert find_refusal(update, "main") is None


@pytest.mark.parametrize(
    "name", ["HEAD", "refs/heads/a..b", "refs/heads/.x", "refs/heads/x.lock", "refs/tags/" + "x" * 201]
)
def test_unsafe_names_are_refused(name):
    assert find_refusal(_update(name), "main").reason == "funny refname"
