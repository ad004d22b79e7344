"""Config vars of an app: those of its live release, and those that wait for the next one (config.json)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from deploy.release import read_environment
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.files import read_json, write_json
from toppcloud.lock import hold_lock
from toppcloud.secret import Secret

_LOCK_TIMEOUT_S = 10.0


def read_live_config(app: AppLayout) -> dict[str, str]:
    """What the live release runs with; empty before the first."""
    number = app.live_number()
    return {} if number is None else dict(read_environment(app.release(number)).config)


def read_staged(app: AppLayout) -> dict[str, str | None]:
    """Values that wait for the next release; None stands for a var that it will not have."""
    staged: dict[str, str | None] = read_json(app.staged_config, {})
    return {key: None if value is None else Secret(value) for key, value in staged.items()}


def read_config(app: AppLayout) -> dict[str, str]:
    """The newest user config: live, with what is staged on top."""
    return apply_changes(read_live_config(app), read_staged(app))


def apply_changes(config: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """`config` with `changes`; a change to None removes the var."""
    merged = {**config, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def stage(app: AppLayout, changes: Mapping[str, str | None]) -> None:
    """Let `changes` wait for the next release."""
    with _lock_staged(app):
        write_staged(app, {**read_staged(app), **changes})


def unstage(app: AppLayout, taken: Mapping[str, str | None]) -> None:
    """What a release has `taken` waits no more; what was staged since then does."""
    with _lock_staged(app):
        left = {key: value for key, value in read_staged(app).items() if key not in taken or taken[key] != value}
        write_staged(app, left)


@contextlib.contextmanager
def _lock_staged(app: AppLayout) -> Iterator[None]:
    with hold_lock(app.settings_lock, by="node", doing="staging config", timeout_s=_LOCK_TIMEOUT_S):
        yield


def write_staged(app: AppLayout, staged: Mapping[str, str | None]) -> None:
    """Replace what waits; nothing waiting means no file."""
    if staged:
        write_json(app.staged_config, dict(staged), mode=0o600)
    else:
        app.staged_config.unlink(missing_ok=True)


def require_set(app: AppLayout, config: Mapping[str, str], keys: tuple[str, ...]) -> None:
    """Refuse to unset what is not set, naming the nearest."""
    for key in keys:
        if key not in config:
            raise ToppcloudError(
                f"{app.name} has no config var {key}.{suggest_nearest(key, config)}", "", "See: toppcloud config"
            )
