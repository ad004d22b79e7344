"""What was measured: printed, and kept in benchmarks/results/ as JSON, as Markdown and as a plot."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figure import tabulate
from benchmarks.section import Section

RESULTS = Path(__file__).parent / "results"
_WIDTH = 120
_SHOWN_FAILURES = 10


def print_section(section: Section) -> None:
    print(f"\n{section.title}")
    for note in section.notes:
        print(textwrap.fill(note, _WIDTH, initial_indent="  ", subsequent_indent="  "))
    for table in (*([tabulate(section.figures)] if section.figures else []), *section.tables):
        print()
        print("\n".join(table.render_text()))
    for failure in section.failures[:_SHOWN_FAILURES]:
        print(f"    {failure}")
    if len(section.failures) > _SHOWN_FAILURES:
        print(f"    and {len(section.failures) - _SHOWN_FAILURES} more")


def print_summary(sections: Mapping[str, Section]) -> None:
    """What falls short, once more at the end."""
    aimed = [figure for section in sections.values() for figure in section.figures if figure.aim]
    short = [figure for figure in aimed if figure.is_short]
    print(f"\n{len(aimed) - len(short)} of {len(aimed)} aims met")
    for figure in short:
        print("  " + "  ".join(text for text in figure.row() if text))


def write_report(conditions: Mapping[str, str], sections: Mapping[str, Section]) -> None:
    """latest.json, latest.md, and the plots of what was measured."""
    RESULTS.mkdir(exist_ok=True)
    report = {"conditions": conditions, "sections": {name: _as_json(section) for name, section in sections.items()}}
    (RESULTS / "latest.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "latest.md").write_text("\n".join(_render_markdown(conditions, sections)) + "\n")
    for section in sections.values():
        for name, text in section.plots.items():
            (RESULTS / name).write_text(text)
    print(f"\nalso in {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


def _as_json(section: Section) -> dict[str, object]:
    figures = [
        {"name": figure.name, "unit": figure.unit, "median": figure.median, "values": list(figure.values)}
        | ({"aim": figure.aim.limit, "is_short": figure.is_short} if figure.aim else {})
        for figure in section.figures
    ]
    return {"figures": figures, "failures": section.failures, "data": section.data}


def _render_markdown(conditions: Mapping[str, str], sections: Mapping[str, Section]) -> list[str]:
    lines = ["; ".join(f"{name} {value}" for name, value in conditions.items())]
    for section in sections.values():
        lines += ["", f"## {section.title}"]
        for note in section.notes:
            lines += ["", *textwrap.wrap(note, _WIDTH)]
        for table in (*([tabulate(section.figures)] if section.figures else []), *section.tables):
            lines += ["", *table.render_markdown()]
    return lines
