"""A release: slug + user config + process types, numbered, immutable. What the disk says of it.

{"version": 18, "kind": "push", "description": "Add search", "commit": "a41c9e2...", "slug": "...", "by": "ana",
 "created_at": "2026-11-22T14:45:04Z", "processes": {"web": "gunicorn blog.wsgi"}, ...}
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.durations import now_utc, render_iso
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_json, remove_tree, sync_folder, write_json
from toppcloud.secret import Secret

LIVE, SUPERSEDED, FAILED = "live", "superseded", "failed"


@dataclass(frozen=True)
class Release:
    """release.json."""

    version: int
    kind: str
    """push, config, service, rollback or rebuild."""
    description: str
    commit: str
    slug: str
    by: str
    created_at: str
    processes: dict[str, str]
    release_command: str | None
    copy_of: int | None = None
    """The release whose slug and config a rollback brought back."""


@dataclass(frozen=True)
class ReleaseEnvironment:
    """The frozen variables: the person's own, and those of services, kept apart."""

    config: dict[str, str]
    services: dict[str, str]

    def merged(self) -> dict[str, str]:
        """What a process sees: config vars win."""
        return {**self.services, **self.config}


@dataclass(frozen=True)
class HistoryEntry:
    """A line of `releases`."""

    release: Release
    status: str
    reason: str | None

    def as_json(self) -> dict[str, Any]:
        shown = dataclasses.asdict(self.release)
        del shown["processes"], shown["release_command"]
        return {**shown, "status": self.status, "reason": self.reason}


def write_release(layout: ReleaseLayout, release: Release) -> None:
    """Make the release real. Written after everything else that it consists of."""
    write_json(layout.record, dataclasses.asdict(release))


def read_release(layout: ReleaseLayout) -> Release | None:
    """The release in that folder, or None when it was never whole."""
    value = read_json(layout.record)
    return None if value is None else Release(**value)


def read_live_release(app: AppLayout) -> Release | None:
    """The release that `current` points to, or None before the first."""
    number = app.live_number()
    return None if number is None else read_release(app.release(number))


def require_live_release(app: AppLayout) -> Release:
    """As `read_live_release`; a refusal when nothing is live yet."""
    release = read_live_release(app)
    if release is None:
        raise ToppcloudError(
            f"{app.name} has no release yet.", "Nothing was pushed, or no push went live.", "git push toppcloud main"
        )
    return release


def write_environment(layout: ReleaseLayout, environment: ReleaseEnvironment) -> None:
    """The frozen variables, 0600."""
    write_json(layout.env, dataclasses.asdict(environment), mode=0o600)


def read_environment(layout: ReleaseLayout) -> ReleaseEnvironment:
    """The frozen variables of a release; none when it has been cleared."""
    value = read_json(layout.env, {"config": {}, "services": {}})
    return ReleaseEnvironment(_hide(value["config"]), _hide(value["services"]))


def _hide(variables: dict[str, str]) -> dict[str, str]:
    return {key: Secret(value) for key, value in variables.items()}


def mark_live(layout: ReleaseLayout) -> None:
    """Record that it went live. Also repairs the mark after a crash, since `current` is the truth."""
    if not layout.went_live.exists():
        layout.went_live.touch()
        sync_folder(layout.folder)


def mark_failed(layout: ReleaseLayout, error: ToppcloudError) -> None:
    """Record why it never went live, and drop what only a live release needs. Its record and output stay."""
    write_json(layout.failed, {"reason": error.reason, "what": error.what, "at": render_iso(now_utc())})
    for path in (layout.source, layout.tmp, layout.starts, layout.web_sock, layout.env):
        remove_tree(path)


def read_history(app: AppLayout) -> list[HistoryEntry]:
    """All releases that the disk remembers, newest first."""
    live = app.live_number()
    entries = []
    for number in app.release_numbers():
        layout = app.release(number)
        release = read_release(layout)
        if release is not None:
            failure = read_json(layout.failed)
            status = LIVE if number == live else SUPERSEDED if layout.went_live.exists() else FAILED
            reason = failure["reason"] if failure else ("interrupted" if status == FAILED else None)
            entries.append(HistoryEntry(release, status, reason))
    return entries


def require_rollback_target(app: AppLayout, version: int | None) -> Release:
    """The release that `rollback [vN]` means. Raises ToppcloudError naming what can be had."""
    live = require_live_release(app)
    if version is None:
        return _choose_previous(app, live)
    if version == live.version:
        raise ToppcloudError(f"v{version} is live already.", "", "See: toppcloud releases")
    layout = app.release(version)
    release = read_release(layout)
    if release is None:
        raise ToppcloudError(
            f"There is no release v{version} of {app.name}.",
            f"Kept are: {_render_versions(app) or 'none'}.",
            "See: toppcloud releases",
        )
    if not layout.went_live.exists():
        raise ToppcloudError(
            f"v{version} never went live.",
            "Only a release that has served can be brought back.",
            "See: toppcloud releases",
        )
    return release


def _choose_previous(app: AppLayout, live: Release) -> Release:
    """The last that went live before the one being left. Rollbacks are seen through: two in a row go further back."""
    origin, number_left = live, live.version
    while origin.copy_of is not None:
        number_left = origin.copy_of  # also when it is gone: what came after it is what was rolled back from
        earlier = read_release(app.release(number_left))
        if earlier is None:
            break
        origin = earlier
    for number in app.release_numbers():
        layout = app.release(number)
        if number < number_left and layout.went_live.exists():
            release = read_release(layout)
            if release is not None:
                return release
    raise ToppcloudError(
        f"There is no release before v{number_left} to go back to.",
        f"Kept are: {_render_versions(app)}.",
        "Name one: toppcloud rollback vN",
        reason="nothing to go back to",
    )


def _render_versions(app: AppLayout) -> str:
    numbers = [n for n in app.release_numbers() if app.release(n).went_live.exists()]
    return ", ".join(f"v{n}" for n in numbers)


def take_number(app: AppLayout) -> ReleaseLayout:
    """A folder for the next release: one above every number that was ever taken."""
    app.releases.mkdir(mode=0o755, exist_ok=True)
    number = max((*app.release_numbers(), 0)) + 1
    layout = app.release(number)
    layout.folder.mkdir()
    layout.folder.chmod(0o711)  # whatever the umask says: the account of apps passes through, and sees nothing
    return layout
