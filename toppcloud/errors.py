"""Refusals: what happened, why, and what to type next. Raised beside the cause, shown once, at the entry."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

REFUSED = 1
WRONG_USAGE = 2
UNREACHABLE = 255


class ToppcloudError(Exception):
    """Something that a person must be told.

    `what` is the sentence that they read first, `why` the cause with their own file, line or key in it,
    `cure` the line to type. `reason` is five words at most, for git's bracket
    (`! [remote rejected] main -> main (web process exits at start)`); `output` holds the last lines of the
    program that failed, shown before everything else. `status` is the exit status.
    """

    def __init__(
        self,
        what: str,
        why: str = "",
        cure: str = "",
        *,
        reason: str = "refused",
        output: Iterable[str] = (),
        status: int = REFUSED,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.cure = cure
        self.reason = reason
        self.output = tuple(output)
        self.status = status

    def lines(self) -> list[str]:
        """The message as short lines: what, why, cure. Empty parts are left out."""
        return [line for part in (self.what, self.why, self.cure) for line in part.splitlines()]


class Cancelled(ToppcloudError):
    """The work was given up because somebody asked for it, or because the pusher went away."""


def suggest_nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'config'?` for a mistyped word, or an empty string when nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""
