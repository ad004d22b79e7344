"""Config vars as text: `KEY=value` words and dotenv files.

    export SECRET_KEY="two\\nlines"   # comment
    NAME='literal $HOME'
    PLAIN=up to the comment # here
Source: the common ground of the dotenv libraries for Ruby, Node and Python; nothing is expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from toppcloud.errors import ToppcloudError
from toppcloud.names import parse_config_key

_LINE = re.compile(
    r"""
    \s* (?:export\s+)? (?P<key>[^\s=#]+) \s*=[^\S\n]*
    (?: "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>[^']*)' | (?P<plain>(?!["'])[^\n]*?) )
    [^\S\n]* (?:(?:^|(?<=\s)|(?<=["']))\#[^\n]*)? (?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_SKIPPED = re.compile(r"[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)")
_LONGEST_BYTES = 128 * 1024
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def parse_dotenv(text: str) -> dict[str, str]:
    """The vars of a dotenv text, later ones winning. Raises ToppcloudError with the line's number."""
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").replace("\r\n", "\n")
    values: dict[str, str] = {}
    position = 0
    while position < len(text):
        if skipped := _SKIPPED.match(text, position):
            position = skipped.end()
            continue
        match = _LINE.match(text, position)
        if not match:
            number = text.count("\n", 0, position) + 1
            raise ToppcloudError(
                f"Line {number} of the file is not KEY=value.",
                "Nothing was set.",
                'Quote values that span lines: KEY="…"',
            )
        key = parse_config_key(match["key"])
        values[key] = _require_usable(key, _value(match))
        position = match.end()
    return values


def parse_assignments(words: Iterable[str]) -> dict[str, str]:
    """`["A=1", "B=two words"]` -> {"A": "1", "B": "two words"}. The message never shows a value."""
    values = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ToppcloudError(
                f"'{key}' has no value.",
                "Config vars are set as KEY=value.",
                "Example: toppcloud config:set SECRET=x",
                status=2,
            )
        values[parse_config_key(key)] = _require_usable(key, value)
    return values


def _require_usable(key: str, value: str) -> str:
    """`value`, if a program can be given it. The message never shows it. Source: execve(2)."""
    if "\0" in value:
        raise ToppcloudError(f"The value of {key} holds a NUL byte.", "No program can be given one.")
    if len(f"{key}={value}".encode(errors="surrogateescape")) >= _LONGEST_BYTES:
        raise ToppcloudError(
            f"The value of {key} is too long.",
            f"A program can be given {_LONGEST_BYTES // 1024} KiB in one variable. Nothing was set.",
            "Put it into a file that the app keeps: toppcloud files:keep PATH",
        )
    return value


def _value(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match["double"], flags=re.DOTALL)
    if match["single"] is not None:
        return match["single"]
    return match["plain"].strip()
