"""logs."""

from __future__ import annotations

from deploy.app_log import AppLog, match_process
from receiver.session import Session


def show(session: Session, *, app: str, number: int, tail: bool, process: str | None) -> None:
    """The newest lines of the app's log; with `tail` also what comes, until the person goes away."""
    log = AppLog(session.app(app).output, match_process(process))
    lines, position = log.last_lines(number)
    _put(session, lines)
    if not tail:
        return
    for lines in log.follow(position, session.is_gone):
        _put(session, lines)


def _put(session: Session, lines: list[bytes]) -> None:
    session.stdout.write(b"".join(lines))
    session.stdout.flush()
