"""logs."""

from __future__ import annotations

from deploy.app_log import AppLog, match_process
from deploy.release import read_live_release
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest


def show(session: Session, *, app: str, number: int, tail: bool, process: str | None) -> None:
    """The newest lines of the app's log; with `tail` also what comes, until the person goes away."""
    log = AppLog(session.app(app).output, match_process(process))
    lines, position = log.last_lines(number)
    if process and not lines:
        _require_process(session.app(app), process)
    _put(session, lines)
    if not tail:
        return
    for lines in log.follow(position, session.is_gone):
        _put(session, lines)


def _require_process(app: AppLayout, process: str) -> None:
    """A process that never wrote may do so yet, if there is one of that name."""
    release = read_live_release(app)
    known = [*(release.processes if release else ()), "release", "run"]
    if release and process.partition(".")[0] not in known:
        near = suggest_nearest(process, known)
        raise ToppcloudError(
            f"{app.name} has no process '{process}', and none of that name wrote anything.{near}",
            f"v{release.version} has: {', '.join(release.processes)}.",
        )


def _put(session: Session, lines: list[bytes]) -> None:
    session.stdout.write(b"".join(lines))
    session.stdout.flush()
