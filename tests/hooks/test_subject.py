"""What a pusher wrote as a commit's subject, and what a terminal is shown of it."""

from __future__ import annotations

import pytest
from dulwich.objects import Commit

from hooks.pipeline import read_subject


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        (b"Add search\n\nAnd more.\n", "Add search"),
        (b"\n  \n", "(no message)"),
        (b"\x1b[2JGone\x07\n", "\N{REPLACEMENT CHARACTER}[2JGone\N{REPLACEMENT CHARACTER}"),
        ("Größe \N{RIGHT-TO-LEFT OVERRIDE}x".encode(), "Größe \N{REPLACEMENT CHARACTER}x"),
        (b"x" * 100, "x" * 72),
    ],
)
def test_subject_is_one_line_without_control_characters(message, subject):
    commit = Commit()
    commit.message = message
    assert read_subject(commit) == subject
