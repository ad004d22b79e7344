"""What a pusher is told of failures that are not theirs."""

from __future__ import annotations

import errno
import logging

import pytest

from receiver.push_answers import PushAnswers, explain_failure
from receiver.push_request import PushRequest
from receiver.references import ReferenceUpdate
from toppcloud.errors import ToppcloudError

MAIN = ReferenceUpdate("refs/heads/main", None, b"a" * 40)
TAG = ReferenceUpdate("refs/tags/v1", None, b"a" * 40)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemoryError(), "too little memory"), (OSError(errno.ENOSPC, "full"), "disk full")],
    ids=["memory", "disk"],
)
def test_exhausted_node_says_what_ran_out(error, reason):
    assert explain_failure(error).reason == reason


def test_traceback_is_logged_under_the_id_that_the_pusher_sees(caplog):
    with caplog.at_level(logging.ERROR):
        told = explain_failure(RuntimeError("kaboom"))
    incident = told.reason.removeprefix("node failed, ")
    assert incident in caplog.records[0].getMessage()
    assert "kaboom" in caplog.text
    assert "kaboom" not in " ".join(told.lines())


def test_reason_of_several_lines_is_reported_in_one():
    answers = PushAnswers(PushRequest((MAIN, TAG), frozenset(), (), is_atomic=False), lambda error: None)
    answers.refuse([MAIN], ToppcloudError("No.", reason="one\ntwo"))
    answers.accept([TAG])
    assert answers.render_report(knows_options=True) == [
        b"unpack ok\n",
        b"ng refs/heads/main one two\n",
        b"ok refs/tags/v1\n",
    ]


def test_what_was_tried_is_reported_under_a_name_that_no_git_follows():
    answers = PushAnswers(PushRequest((MAIN, TAG), frozenset(), (), is_atomic=False), lambda error: None)
    answers.accept_tried([MAIN, TAG])
    assert not answers.is_refused
    assert answers.render_report(knows_options=True) == [
        b"unpack ok\n",
        b"ok refs/heads/main\n",
        b"option refname refs/dry-run/main\n",
        b"ok refs/tags/v1\n",
        b"option refname refs/dry-run/tags/v1\n",
    ]
    assert answers.render_report(knows_options=False)[1] == b"ng refs/heads/main dry run passed, nothing stored\n"


def test_one_refusal_of_an_atomic_push_refuses_what_waits_and_is_told_once():
    told = []
    answers = PushAnswers(PushRequest((MAIN, TAG), frozenset(), (), is_atomic=True), told.append)
    answers.refuse([MAIN], ToppcloudError("No.", reason="no"))
    assert answers.waiting == []
    assert answers.render_report(knows_options=True)[2] == b"ng refs/tags/v1 atomic push failed\n"
    assert len(told) == 1
