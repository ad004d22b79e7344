"""What .slugignore takes away: names and paths as in .gitignore, nothing outside the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildpacks.slugignore import leave_out, parse_slugignore, remove_matches
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError

Write = Callable[[Mapping[str, str]], Path]
FILES = {
    "app.py": "",
    "art/logo.psd": "12345",
    "art/deep/er/x.psd": "",
    "spec/a.py": "",
    "lib/spec/b.py": "",
    "docs/a.pdf": "",
    "docs/x/y/b.pdf": "",
    "raw/one": "",
    "lib/raw": "",
}


def left_of(source: Path) -> set[str]:
    return {str(path.relative_to(source)) for path in source.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("*.psd\n", {"art/logo.psd", "art/deep/er/x.psd"}),
        ("spec\n", {"spec/a.py", "lib/spec/b.py"}),
        ("/spec\n", {"spec/a.py"}),
        ("raw/\n", {"raw/one"}),
        ("raw\n", {"raw/one", "lib/raw"}),
        ("docs/*.pdf", {"docs/a.pdf"}),
        ("docs/**/*.pdf", {"docs/a.pdf", "docs/x/y/b.pdf"}),
        ("docs/**/**/**/*.pdf", {"docs/a.pdf", "docs/x/y/b.pdf"}),
        ("**/er/", {"art/deep/er/x.psd"}),
        ("# a comment\r\n\r\nart/deep\r\n", {"art/deep/er/x.psd"}),
        ("[a-d]*.pdf", {"docs/a.pdf", "docs/x/y/b.pdf"}),
        ("nothing-of-that-name\n/\n", set()),
    ],
)
def test_lines_mean_what_they_mean_in_gitignore(write_project: Write, text: str, gone: set[str]) -> None:
    source = write_project(FILES)
    said = remove_matches(source, parse_slugignore(text))
    assert left_of(source) == set(FILES) - gone
    assert said.files == len(gone)


def test_what_went_is_told_and_what_a_build_looks_for_is_named(write_project: Write) -> None:
    ignored = "*.psd\n/bin\nPro*\n!logo.psd\n"
    source = write_project({**FILES, "Procfile": "web: x\n", "bin/post_compile": "", ".slugignore": ignored})
    lines: list[str] = []
    leave_out(source, Console(lines.append))
    assert lines[0] == " !     .slugignore: '!logo.psd' takes nothing back, here as at Heroku."
    assert lines[1].startswith("-----> .slugignore: 4 files left out, 0.0 MB")
    assert " !     Procfile is left out too (.slugignore, line 3): the build does not see it." in lines
    assert " !     bin/post_compile is left out too (.slugignore, line 2): the build does not see it." in lines
    assert left_of(source) == {*FILES, ".slugignore"} - {"art/logo.psd", "art/deep/er/x.psd"}


def test_project_without_the_file_says_nothing(write_project: Write) -> None:
    lines: list[str] = []
    leave_out(write_project({"app.py": ""}), Console(lines.append))
    assert lines == []


def test_nothing_outside_the_project_is_reached(tmp_path: Path) -> None:
    outside, source = tmp_path / "outside", tmp_path / "source"
    outside.mkdir()
    source.mkdir()
    (outside / "a.txt").write_text("kept")
    (source / "link").symlink_to(outside)
    (source / "other").symlink_to(outside / "a.txt")
    said = remove_matches(source, parse_slugignore("../outside\n/../../outside/*\na.txt\n*.txt\nlink/\nlink\nother\n"))
    assert (outside / "a.txt").read_text() == "kept"
    assert left_of(source) == set()
    assert said.files == 2


def test_line_with_many_stars_is_matched_at_once(write_project: Write) -> None:
    source = write_project({"a" * 200: ""})
    text = f"{'*a' * 200}b\n{'**/' * 150}x\n"
    assert remove_matches(source, parse_slugignore(text)).files == 0


@pytest.mark.parametrize("text", ["x" * 501, "x\n" * 501])
def test_line_that_cannot_be_meant_is_quoted(text: str) -> None:
    with pytest.raises(ToppcloudError) as refusal:
        parse_slugignore(text)
    assert ".slugignore, line " in refusal.value.what
