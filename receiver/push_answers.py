"""The answer to each line of a push: `ok`, or why not. With `--atomic`, one refusal refuses all that wait."""

from __future__ import annotations

import errno
import logging
import secrets
from collections.abc import Callable, Iterable

from receiver.push_request import PushRequest
from receiver.references import ReferenceUpdate
from toppcloud.errors import ToppcloudError

logger = logging.getLogger("toppcloud.receiver")
_OK = "ok"
_TRIED = "dry run"
DRY_RUNS = "refs/dry-run/"
"""What a dry run is reported as. No git follows references there, so none believes that a branch has moved."""


class PushAnswers:
    """Collects the answers to `request`; `tell` shows a refusal to the pusher."""

    def __init__(self, request: PushRequest, tell: Callable[[ToppcloudError], None]) -> None:
        self._request = request
        self._tell = tell
        self._answers: dict[ReferenceUpdate, str] = {}
        self.unpacked = _OK

    @property
    def waiting(self) -> list[ReferenceUpdate]:
        """The lines that have no answer yet."""
        return [update for update in self._request.updates if update not in self._answers]

    @property
    def is_refused(self) -> bool:
        """Whether anything was."""
        return any(answer not in (_OK, _TRIED) for answer in self._answers.values())

    def accept(self, updates: Iterable[ReferenceUpdate]) -> None:
        self._answers.update(dict.fromkeys(updates, _OK))

    def accept_tried(self, updates: Iterable[ReferenceUpdate]) -> None:
        """They would be taken, and were not stored."""
        self._answers.update(dict.fromkeys(updates, _TRIED))

    def refuse(self, updates: Iterable[ReferenceUpdate], error: ToppcloudError) -> None:
        """Show why once, and answer each line with the reason."""
        self._tell(error)
        self._answers.update(dict.fromkeys(updates, error.reason))
        if self._request.is_atomic:
            self._answers.update(dict.fromkeys(self.waiting, "atomic push failed"))

    def render_report(self, *, knows_options: bool) -> list[bytes]:
        """How the pack fared, then the answer for each line. `knows_options`: report-status-v2 was agreed on.

        Without it what was only tried is refused in words: an `ok` would have git note that the branch moved.
        Source: gitprotocol-pack(5), "Report Status".
        """
        lines = [f"unpack {_in_one_line(self.unpacked)}"]
        for update in self._request.updates:
            answer = self._answers.get(update, "not done")
            if answer == _OK:
                lines.append(f"ok {update.name}")
            elif answer == _TRIED and knows_options:
                shown = update.name.removeprefix("refs/").removeprefix("heads/")
                lines += [f"ok {update.name}", f"option refname {DRY_RUNS}{shown}"]
            else:
                text = "dry run passed, nothing stored" if answer == _TRIED else answer
                lines.append(f"ng {update.name} {_in_one_line(text)}")
        return [f"{line}\n".encode("utf-8", "surrogateescape") for line in lines]


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def explain_failure(error: Exception, *, is_moved: bool = False) -> ToppcloudError:
    """What the pusher is told of a failure that is the node's: with an id under which the log has the traceback."""
    if isinstance(error, ToppcloudError):
        return error
    incident = secrets.token_hex(4)
    logger.error("push failed incident=%s", incident, exc_info=error)
    left = "The push was already live." if is_moved else "Nothing was changed."
    if isinstance(error, MemoryError):
        return ToppcloudError(
            "The push needs more memory than the node gives one session.",
            left,
            "Push smaller files, or raise session_memory_mb in node.toml.",
            reason="too little memory",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ToppcloudError(
            "The node's disk is full.", left, "Make room, then push again: toppcloud node doctor", reason="disk full"
        )
    return ToppcloudError(
        f"The node failed; its log has this under {incident}.",
        left,
        "Push again; if it happens again, look there.",
        reason=f"node failed, {incident}",
    )
