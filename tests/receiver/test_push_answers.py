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
    assert answers.render_report() == [(b"unpack", b"ok"), (b"refs/heads/main", b"one two"), (b"refs/tags/v1", b"ok")]


def test_one_refusal_of_an_atomic_push_refuses_what_waits_and_is_told_once():
    told = []
    answers = PushAnswers(PushRequest((MAIN, TAG), frozenset(), (), is_atomic=True), told.append)
    answers.refuse([MAIN], ToppcloudError("No.", reason="no"))
    assert answers.waiting == []
    assert answers.render_report()[2] == (b"refs/tags/v1", b"atomic push failed")
    assert len(told) == 1
