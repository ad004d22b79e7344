"""What the docs say exists: links, settings, commands, targets of the Makefile."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from receiver.table import COMMANDS
from toppcloud.settings import NodeSettings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
_QUOTED = re.compile(r"`toppcloud ([a-z][a-z:_-]*)(?: ([a-z]+))?")
_TYPED = re.compile(r"^ {4}toppcloud ([a-z][a-z:_-]*)(?: ([a-z]+))?", re.MULTILINE)
_TRANSCRIBED = re.compile(r"^ {4}\$ toppcloud ([a-z][a-z:_-]*)(?: ([a-z]+))?", re.MULTILINE)
_MAKE = re.compile(r"\bmake ([a-z]+)\b")
_PRIVATE = re.compile(r"/work/|/root/|/tmp/|https?://[^\s)]*\b(?:simple|index)\b")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def find_anchors(text: str) -> set[str]:
    """As GitHub makes them of headings: lower case, punctuation gone, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_commands(text: str) -> list[tuple[str, str]]:
    """First and second word behind `toppcloud`. In a transcript only the lines behind `$` are typed."""
    found = _QUOTED.findall(text)
    for paragraph in re.split(r"\n\s*\n", text):
        found += (_TRANSCRIBED if "\n    $ " in f"\n{paragraph}" else _TYPED).findall(f"\n{paragraph}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in find_anchors(target.read_text()), link


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_that_are_named_exist(page: Path) -> None:
    for first, second in find_commands(page.read_text()):
        assert first in COMMANDS or f"{first} {second}" in COMMANDS, f"toppcloud {first} {second}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = re.findall(r"`([^`\n]+)`|^ {4}(.+)$", page.read_text(), re.MULTILINE)
    for target in _MAKE.findall("\n".join(code or line for code, line in typed)):
        assert target in targets, target


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_pages_name_no_place_of_some_machine(page: Path) -> None:
    assert not _PRIVATE.search(page.read_text())


def test_every_page_stands_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text() + (ROOT / "docs/decisions/README.md").read_text()
    linked = {Path(link).name for link in _LINK.findall(index)}
    assert {page.name for page in PAGES if page.is_relative_to(ROOT / "docs")} - {"README.md"} <= linked


def test_every_setting_is_documented_with_its_default() -> None:
    rows = [line for line in (ROOT / "docs/node.md").read_text().splitlines() if line.startswith("| `")]
    documented = {name: row for row in reversed(rows) for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    for field in dataclasses.fields(NodeSettings):
        assert field.name in documented, field.name
        shown = json.dumps(field.default) if isinstance(field.default, bool) else field.default
        assert str(shown or ("empty" if shown == "" else 0)) in documented[field.name], field.name


def test_every_test_that_shows_an_outcome_exists() -> None:
    named = re.findall(r"`(\w+/[\w/]+\.py)::(\w+)`", (ROOT / "docs/outcomes.md").read_text())
    assert len(named) > 80
    texts = {path: (ROOT / "tests" / path).read_text() for path, _ in named}
    assert [f"{path}::{name}" for path, name in named if f"def test_{name}(" not in texts[path]] == []
