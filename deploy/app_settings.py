"""settings.json of an app: what belongs to the app and not to a release. Changed only under a lock of its own.

0600: an address of a buildpack may hold a password.

{"formation": {"web": 1, "worker": 2}, "kept_files": ["media"], "links": {"DB_HOST": "PG_DBHOST"}}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from toppcloud.app_layout import AppLayout
from toppcloud.files import read_json, write_json
from toppcloud.lock import hold_lock

_LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class AppSettings:
    """Settings that every release of the app shares, rollbacks included."""

    formation: dict[str, int] = field(default_factory=dict)
    """How many of each process type run: {"web": 1, "worker": 2}. A type that is not named has its default."""
    links: dict[str, str] = field(default_factory=dict)
    """Config vars that follow a service variable: {"DB_HOST": "PG_DBHOST"}."""
    kept_files: tuple[str, ...] = ()
    """Paths below the source folder that last over releases: ("db.sqlite3", "media")."""
    stopped: bool = False
    """Whether `ps:stop` was the last word."""
    idle: str | None = None
    """What `ps:idle` set: `15m` or `never`. None: the release's `[web] idle`, else the node's."""
    seeded_config: tuple[str, ...] = ()
    """Config vars that app.json gave once: from then on they are the person's, to change or unset."""
    postdeploy_done: bool = False
    """Whether the postdeploy script of app.json has succeeded."""
    buildpacks: tuple[str, ...] = ()
    """What `buildpacks:set` and its like say; an address may hold credentials. Empty: the project's own files tell."""


def read_app_settings(app: AppLayout) -> AppSettings:
    """The app's settings; defaults where the file is silent or absent."""
    return _parse(read_json(app.settings, {}))


def update_app_settings(app: AppLayout, **changes: Any) -> AppSettings:
    """Replace whole settings: `update_app_settings(app, stopped=True)`. Returns what is in force now."""
    return edit_app_settings(app, lambda settings: dataclasses.replace(settings, **changes))


def edit_app_settings(app: AppLayout, edit: Callable[[AppSettings], AppSettings]) -> AppSettings:
    """Replace the settings by `edit` of the newest ones. Two edits at once both take effect.

    Keys that this version does not know stay as they are. Raises LockBusy when the lock is not free within 10 s.
    """
    with hold_lock(app.settings_lock, by="node", doing="changing the settings", timeout_s=_LOCK_TIMEOUT_S):
        values = read_json(app.settings, {})
        settings = edit(_parse(values))
        write_json(app.settings, {**values, **dataclasses.asdict(settings)}, mode=0o600)
    return settings


def _parse(values: dict[str, Any]) -> AppSettings:
    known = {item.name for item in dataclasses.fields(AppSettings)}
    chosen = {key: value for key, value in values.items() if key in known}
    for key in ("kept_files", "seeded_config", "buildpacks"):
        if key in chosen:
            chosen[key] = tuple(chosen[key])
    return AppSettings(**chosen)
