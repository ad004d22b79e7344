"""Which of the failed requests a killed process had inside."""

from __future__ import annotations

from benchmarks.kills import Kill
from benchmarks.load import Asked

KILL = Kill("router", at=100.0)


def test_request_sent_before_and_not_answered_at_the_kill_was_inside():
    assert KILL.is_inside(Asked(99.99, 99.99, sent=99.99, ended=100.001, failure="gone"))


def test_request_that_ended_before_the_kill_was_not_inside():
    assert not KILL.is_inside(Asked(99.0, 99.0, sent=99.0, ended=99.5, failure="503"))


def test_request_that_was_sent_later_was_not_inside():
    assert not KILL.is_inside(Asked(100.5, 100.5, sent=100.5, ended=100.6, failure="502"))


def test_request_that_was_refused_and_so_never_sent_was_not_inside():
    assert not KILL.is_inside(Asked(99.99, 99.99, sent=0.0, ended=100.1, failure="refused"))
