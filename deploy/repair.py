"""After a session was killed in the middle of a change: nothing half-done is left running.

A release that never went live is recorded as interrupted and its processes end; a release that is live gets what the
change had no time to do (workers, draining). Looks only at the disk and at supervisord, so it may run at any time.
"""

from __future__ import annotations

import logging

from deploy.release import mark_failed, read_release
from deploy.settle import settle
from deploy.trial_folder import sweep_new_apps, sweep_trials
from deploy.web import stop_programs
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.lock import LockBusy, hold_lock, read_holder
from toppcloud.node import Node

_log = logging.getLogger(__name__)


def repair_apps(node: Node) -> None:
    """Repair every app that nobody is changing; one that is being changed settles itself at the end of that."""
    sweep_new_apps(node.layout)
    for name in node.layout.app_names():
        app = node.layout.app(name)
        try:
            with hold_lock(app.release_lock, by="node", doing="repairing"):
                repair_app(node, app)
        except LockBusy:
            continue
        except Exception:
            _log.exception("an app could not be repaired", extra={"app": name})


def repair_app(node: Node, app: AppLayout) -> None:
    """The caller holds the release lock."""
    sweep_trials(app)
    live = app.live_number()
    for number in app.release_numbers():
        layout = app.release(number)
        if number == live or layout.went_live.exists() or layout.failed.exists():
            continue
        stop_programs(node, app, layout)
        if read_release(layout) is None:
            remove_tree(layout.folder)
        else:
            mark_failed(layout, ToppcloudError("The change was interrupted.", reason="interrupted"))
    if read_holder(app.build_lock) is None:
        for path in app.slugs.iterdir() if app.slugs.is_dir() else ():
            if not app.slug(path.name).record.exists() and app.slug(path.name) not in app.dry_runs():
                remove_tree(path)
    settle(node, app, Console(lambda line: _log.info("%s", line)))
