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
        return any(answer != _OK for answer in self._answers.values())

    def accept(self, updates: Iterable[ReferenceUpdate]) -> None:
        self._answers.update(dict.fromkeys(updates, _OK))

    def refuse(self, updates: Iterable[ReferenceUpdate], error: ToppcloudError) -> None:
        """Show why once, and answer each line with the reason."""
        self._tell(error)
        self._answers.update(dict.fromkeys(updates, error.reason))
        if self._request.is_atomic:
            self._answers.update(dict.fromkeys(self.waiting, "atomic push failed"))

    def render_report(self) -> list[tuple[bytes, bytes]]:
        """As dulwich wants it: how the pack fared, then the answer for each line."""
        answers = [(update.name, self._answers.get(update, "not done")) for update in self._request.updates]
        return [
            (name.encode("utf-8", "surrogateescape"), " ".join(text.split()).encode())
            for name, text in [("unpack", self.unpacked), *answers]
        ]


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
