"""logs."""

from __future__ import annotations

from deploy.app_log import AppLog, match_lines
from deploy.release import read_live_release
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.names import parse_release_number


def show(session: Session, *, app: str, number: int, tail: bool, process: str | None, version: str | None) -> None:
    """The newest lines of the app's log; with `tail` also what comes, until the person goes away."""
    release = parse_release_number(version) if version else None
    log = AppLog(session.app(app).output, match_lines(process, release))
    lines, position = log.last_lines(number)
    if not lines:
        _require_release(session.app(app), release)
        _require_process(session.app(app), process)
    _put(session, lines)
    if not tail:
        return
    for lines in log.follow(position, session.is_gone):
        _put(session, lines)


def _require_release(app: AppLayout, release: int | None) -> None:
    """The next one may be waited for with `--tail`; one that is there may just have said nothing."""
    numbers = app.release_numbers()
    next_number = max((*numbers, 0)) + 1
    if release is None or release in numbers or release == next_number:
        return
    newest = f"The newest is v{next_number - 1}." if numbers else "It has no release yet."
    if release < next_number:
        raise ToppcloudError(f"The log of {app.name} holds nothing of v{release} any more.", newest)
    raise ToppcloudError(f"{app.name} has no release v{release}.", newest, "See: toppcloud releases")


def _require_process(app: AppLayout, process: str | None) -> None:
    """A process that never wrote may do so yet, if there is one of that name."""
    release = read_live_release(app)
    known = [*(release.processes if release else ()), "release", "run"]
    if release and process and process.partition(".")[0] not in known:
        near = suggest_nearest(process, known)
        raise ToppcloudError(
            f"{app.name} has no process '{process}', and none of that name wrote anything.{near}",
            f"v{release.version} has: {', '.join(release.processes)}.",
        )


def _put(session: Session, lines: list[bytes]) -> None:
    session.stdout.write(b"".join(lines))
    session.stdout.flush()
