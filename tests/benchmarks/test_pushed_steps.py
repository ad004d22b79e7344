"""The seconds of a step, read from what a pusher sees."""

from __future__ import annotations

import pytest

from benchmarks.pushed_steps import read_seconds

SAID = """\
remote: -----> blog: 1 commit, 3 files (a41c9e2 "Faster")                                               1.95 s        
remote:          Resolved 8 packages in 187ms        
remote: -----> Python 3.11.2 (newest on this node), requirements.txt: new virtualenv, 8 packages          2.05 s        
remote: -----> Procfile: web        
"""  # noqa: W291 - git pads each line so


def test_seconds_of_the_step_that_holds_the_word():
    assert read_seconds(SAID, "new virtualenv") == 2.05


@pytest.mark.parametrize("word", ["virtualenv reused", "Procfile"])
def test_step_that_is_not_there_or_tells_no_time_is_an_error(word: str):
    with pytest.raises(ValueError, match="no step"):
        read_seconds(SAID, word)
