"""The plot is SVG that a browser reads, and every value is in it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.plot import Line, Panel, choose_top, render_plot


def test_each_value_is_a_point_of_its_panel():
    panels = [Panel("memory <all>", "MB", [Line("", [36, 37, 40])]), Panel("start", "s", [Line("", [0.7, 0.8, 1.6])])]
    text = render_plot("apps", [10, 100, 1000], panels)
    assert len(ElementTree.fromstring(text).findall(".//{*}circle")) == 6
    assert "memory &lt;all&gt;" in text


def test_two_lines_in_a_panel_are_named():
    text = render_plot("apps", [10, 1000], [Panel("deploy", "s", [Line("beside", [1, 2]), Line("alone", [1, 1])])])
    assert ">beside</tspan>" in text and ">alone</tspan>" in text


@pytest.mark.parametrize(("value", "top"), [(0.3, 0.4), (1, 1), (41, 50), (60, 80), (90, 100)])
def test_axis_ends_at_a_round_number(value: float, top: float):
    assert choose_top(value) == pytest.approx(top)
