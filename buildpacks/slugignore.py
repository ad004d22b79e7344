""".slugignore: what of the project the running app does not need. It goes before the build begins.

*.psd          any file or folder of that name, wherever it lies
/spec          only at the top
docs/**/*.pdf  with a slash inside: from the top, `**` is any number of folders
assets/raw/    with a slash at the end: folders only
Lines that begin with # are comments. Those with ! take nothing back, as at Heroku: they are left aside and named.
Source: https://devcenter.heroku.com/articles/slug-compiler
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildpacks.source_text import read_source_text
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree

FILE = ".slugignore"
_MOST_PATTERNS = 500
_LONGEST_PATTERN = 500
_ANY_DEPTH = re.compile("")
_NEEDED = frozenset(
    (
        *("Procfile", "app.json", "toppcloud.toml", "requirements.txt", "Pipfile.lock", "poetry.lock", "uv.lock"),
        *("pyproject.toml", ".python-version", "runtime.txt", "nltk.txt", "package.json", "package-lock.json"),
        *("Gemfile", "Gemfile.lock", "manage.py", "bin/pre_compile", "bin/post_compile"),
    )
)


@dataclass(frozen=True)
class Pattern:
    """One line. `names` match the path's from the top on; `_ANY_DEPTH` among them stands for any number of folders."""

    line: int
    names: tuple[re.Pattern[str], ...]
    is_for_folders: bool

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """`path` is relative to the project: `docs/a/b.pdf`."""
        return (is_folder or not self.is_for_folders) and _match(self.names, path.split("/"))


@dataclass(frozen=True)
class LeftOut:
    """What went: how many files of how many bytes, and which of them a build looks for, with the line of each."""

    files: int
    size_bytes: int
    needed: tuple[tuple[str, int], ...]


def parse_slugignore(text: str) -> tuple[Pattern, ...]:
    """The patterns of the file. Raises ToppcloudError quoting the line for what cannot be meant."""
    patterns: list[Pattern] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", "!")):
            continue
        if len(line) > _LONGEST_PATTERN or len(patterns) == _MOST_PATTERNS:
            raise _refusal(number, line, f"{_MOST_PATTERNS} lines of {_LONGEST_PATTERN} characters are the limit.")
        if names := _parse_names(line.removeprefix("\\")):
            patterns.append(Pattern(number, names, line.endswith("/")))
    return tuple(patterns)


def leave_out(source: Path, console: Console) -> None:
    """Remove what the project's .slugignore names, and say so. Nothing of the app's may run before or meanwhile."""
    text = read_source_text(source, FILE)
    patterns = parse_slugignore(text) if text else ()
    if not patterns:
        return
    for raw in text.splitlines() if text else ():
        if raw.lstrip().startswith("!"):
            console.warning(f"{FILE}: '{raw.strip()}' takes nothing back, here as at Heroku.")
    with console.timed_step("") as timed:
        gone = remove_matches(source, patterns)
        files = "file" if gone.files == 1 else "files"
        timed.text = f"{FILE}: {gone.files} {files} left out, {gone.size_bytes / 1e6:.1f} MB"
    for name, line in gone.needed:
        console.warning(f"{name} is left out too ({FILE}, line {line}): the build does not see it.")


def remove_matches(source: Path, patterns: Sequence[Pattern]) -> LeftOut:
    """Links go themselves, never what they lead to."""
    files = size_bytes = 0
    needed: list[tuple[str, int]] = []
    for folder, folders, names in os.walk(source):
        for name in (*names, *folders):
            path = Path(folder, name)
            inside = str(path.relative_to(source))
            is_folder = name in folders and not path.is_symlink()
            pattern = next((one for one in patterns if one.matches(inside, is_folder=is_folder)), None)
            if pattern is None:
                continue
            needed += [(found, pattern.line) for found in _find_needed(source, inside)]
            count, size = _measure(path)
            files, size_bytes = files + count, size_bytes + size
            remove_tree(path) if is_folder else path.unlink()
        folders[:] = [name for name in folders if Path(folder, name).is_dir()]
    return LeftOut(files, size_bytes, tuple(needed))


def _parse_names(line: str) -> tuple[re.Pattern[str], ...]:
    """A pattern without a slash before its end is for any depth."""
    names = [name for name in line.split("/") if name not in ("", ".")]
    is_from_top = "/" in line.rstrip("/")
    parts = names if is_from_top else ["**", *names]
    parts = [n for n, before in zip(parts, ["", *parts], strict=False) if not n == before == "**"]
    return tuple(_ANY_DEPTH if n == "**" else re.compile(fnmatch.translate(n)) for n in parts) if names else ()


def _match(patterns: Sequence[re.Pattern[str]], names: Sequence[str]) -> bool:
    """Without going back: `reached` are the numbers of names that the patterns so far can have taken."""
    reached = {0}
    for pattern in patterns:
        if pattern is _ANY_DEPTH:
            reached = set(range(min(reached), len(names) + 1))
        else:
            reached = {n + 1 for n in reached if n < len(names) and pattern.match(names[n])}
        if not reached:
            return False
    return len(names) in reached


def _find_needed(source: Path, inside: str) -> list[str]:
    """What a build looks for at `inside` or below it."""
    return sorted(n for n in _NEEDED if n == inside or (n.startswith(f"{inside}/") and (source / n).is_file()))


def _measure(path: Path) -> tuple[int, int]:
    """How many files, and their bytes."""
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode):
        return 1, info.st_size
    sizes = [Path(folder, name).lstat().st_size for folder, _, names in os.walk(path) for name in names]
    return len(sizes), sum(sizes)


def _refusal(number: int, line: str, why: str) -> ToppcloudError:
    return ToppcloudError(
        f"{FILE}, line {number}, cannot be used: {line[:120]}",
        why,
        "Remove it, commit, push again.",
        reason=f"invalid {FILE}",
    )
