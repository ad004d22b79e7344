"""releases, releases:info, releases:output, rollback."""

from __future__ import annotations

import time

from deploy.configuration import read_live_config
from deploy.release import (
    HistoryEntry,
    read_environment,
    read_history,
    require_live_release,
    require_rollback_target,
)
from hooks.auto_rollback import BY
from hooks.changes import Wishes, roll_back
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.durations import now_utc, parse_iso, render_age
from toppcloud.errors import ToppcloudError
from toppcloud.names import parse_release_number

_SHOWN_RELEASES = 15


def list_releases(session: Session, *, app: str, number: int | None, as_json: bool) -> None:
    shown = _SHOWN_RELEASES if number is None and not as_json else number
    entries = read_history(session.app(app))[:shown]
    if as_json:
        session.print_json([entry.as_json() for entry in entries])
    elif not entries:
        session.write(f"{app} has no releases yet. git push toppcloud main")
    else:
        session.print_table(_row(entry) for entry in entries)


def info(session: Session, *, app: str, version: str | None, as_json: bool) -> None:
    layout = session.app(app)
    entry = _find(layout, version)
    release = entry.release
    facts = entry.as_json() | {
        "processes": release.processes,
        "release_command": release.release_command,
        "config_keys": sorted(read_environment(layout.release(release.version)).config),
    }
    if as_json:
        session.print_json(facts)
        return
    shown = {**facts, "version": f"v{release.version}", "config_keys": ", ".join(facts["config_keys"])}
    shown["processes"] = "; ".join(f"{name}: {command}" for name, command in release.processes.items())
    session.print_table((key.replace("_", " "), value) for key, value in shown.items() if value not in (None, ""))


def output(session: Session, *, app: str, version: str | None) -> None:
    layout = session.app(app)
    number = _find(layout, version).release.version
    try:
        session.write(layout.release(number).output.read_text())
    except FileNotFoundError:
        raise ToppcloudError(f"Nothing is kept of what was said while v{number} was made.") from None


def rollback(
    session: Session, *, app: str, version: str | None, no_check: bool, leave_files: bool, release_command: bool
) -> None:
    began = time.monotonic()
    layout = session.app(app)
    _refuse_going_twice(session, layout, version)
    before = read_live_config(layout)
    target = require_rollback_target(layout, parse_release_number(version) if version else None)
    wishes = Wishes(session.person, not no_check, leave_files, runs_release_command=release_command)
    outcome = roll_back(session.node, layout, target, wishes, session.console)
    seconds = time.monotonic() - began
    left = sorted(key for key, value in before.items() if read_live_config(layout).get(key) != value)
    behind = f" Left behind: {', '.join(left)}." if left else ""
    session.write(
        f"v{outcome.release.version} live in {seconds:.1f} s: code and config of v{target.version}.{behind} "
        "The database stays as it is."
    )


def _refuse_going_twice(session: Session, layout: AppLayout, version: str | None) -> None:
    """Who types `rollback` to leave a bad release that the node has just left would lose a good one."""
    live = require_live_release(layout)
    if session.was_told and version is None and live.kind == "rollback" and live.by == BY:
        raise ToppcloudError(
            "Nothing was rolled back.",
            f"The node went back by itself, as told above: v{live.version} is code and config of v{live.copy_of}.",
            "To go further back, type it again: toppcloud rollback",
        )


def _find(layout: AppLayout, version: str | None) -> HistoryEntry:
    number = parse_release_number(version) if version else require_live_release(layout).version
    for entry in read_history(layout):
        if entry.release.version == number:
            return entry
    raise ToppcloudError(f"There is no release v{number} of {layout.name}.", "", "See: toppcloud releases")


def _row(entry: HistoryEntry) -> tuple[str, ...]:
    release = entry.release
    what = f"{release.commit[:7]} {release.description}" if release.kind in ("push", "rebuild") else release.description
    if entry.reason:
        what = f"{release.commit[:7]} {entry.reason}" if release.kind == "push" else f"{what}: {entry.reason}"
    status = "" if entry.status == "superseded" else entry.status
    return (
        f"v{release.version}",
        status,
        render_age(parse_iso(release.created_at), now_utc()),
        release.kind,
        what,
        release.by,
    )
