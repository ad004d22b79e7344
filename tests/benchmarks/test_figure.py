"""How a figure stands to its aim."""

from __future__ import annotations

from benchmarks.figure import SHORT, Figure, at_least, at_most, tabulate


def test_median_above_what_it_may_be_at_most_is_short_of_the_aim():
    assert Figure("wake", [10, 60, 70], "ms", at_most(50)).row() == ("wake", "60 ms", "10 to 70", "", "<= 50 ms", SHORT)


def test_median_not_below_what_it_must_be_at_least_meets_the_aim():
    assert Figure("requests", [0.9, 0.97, 1.2], "x", at_least(0.97)).row()[-1] == "met"


def test_figure_without_an_aim_is_neither():
    assert Figure("start", [1.234]).row() == ("start", "1.23 s", "", "", "", "")


def test_columns_in_which_nothing_stands_are_left_out():
    table = tabulate([Figure("failed", [0], "", at_most(0))])
    assert table.render_text() == ["        median   aim", "failed       0  <= 0  met"]
    assert table.render_markdown() == ["|  | median | aim |  |", "|---|---|---|---|", "| failed | 0 | <= 0 | met |"]
