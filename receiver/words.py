r"""A command line as words: split as a POSIX shell splits it, with nothing expanded, and quoted so that it arrives.

    config:set A='two words' B="say \"hi\"" C=a\ b   ->   config:set | A=two words | B=say "hi" | C=a b
Source: POSIX.1-2017, Shell Command Language, 2.2 Quoting. `$`, `*`, `;`, `#` and their like stand for themselves.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from toppcloud.errors import WRONG_USAGE, ToppcloudError

_BLANKS = re.compile(r"[ \t\n]+")
_PIECE = re.compile(
    r"""
      '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.)
    | (?P<plain>[^ \t\n'"\\]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE_IN_DOUBLE_QUOTES = re.compile(r'\\([$`"\\\n])')


def split_words(text: str) -> list[str]:
    """The words of `text`. Raises ToppcloudError (status 2) for a quote that is not closed, or a NUL character."""
    if "\0" in text:
        raise ToppcloudError("The command holds a NUL character.", "No word can have one.", status=WRONG_USAGE)
    words: list[str] = []
    pieces: list[str] = []
    position = 0
    while position < len(text):
        if blanks := _BLANKS.match(text, position):
            position = blanks.end()
            _end_word(words, pieces)
        elif match := _PIECE.match(text, position):
            position = match.end()
            if match["escaped"] != "\n":  # backslash and newline: the line goes on
                pieces.append(_render_piece(match))
        else:
            raise _not_closed(text[position])
    _end_word(words, pieces)
    return words


def quote_words(words: Iterable[str]) -> str:
    """`words` as one line that `split_words`, and any POSIX shell, splits into the same words."""
    return " ".join(shlex.quote(word) for word in words)


def _end_word(words: list[str], pieces: list[str]) -> None:
    if pieces:
        words.append("".join(pieces))
        pieces.clear()


def _render_piece(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return _ESCAPE_IN_DOUBLE_QUOTES.sub(lambda found: "" if found[1] == "\n" else found[1], match["double"])
    return next(text for text in (match["single"], match["escaped"], match["plain"]) if text is not None)


def _not_closed(char: str) -> ToppcloudError:
    if char == "\\":
        return ToppcloudError(
            "The command ends in a backslash.", "There is nothing after it to take literally.", status=WRONG_USAGE
        )
    return ToppcloudError(
        f"A quote is not closed: {char}",
        "Words are split as a shell splits them.",
        "Over ssh quote twice, once for your own shell: ssh … \"config:set NOTE='two words'\"",
        status=WRONG_USAGE,
    )
