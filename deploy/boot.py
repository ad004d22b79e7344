"""After a node's start: every app back on the release that was live, whatever state the last end left behind."""

from __future__ import annotations

import logging
import time

from deploy.app import add_route
from deploy.app_settings import read_app_settings
from deploy.cutover import render
from deploy.doorman_client import DoormanClient
from deploy.prune import prune_releases
from deploy.release import mark_live, read_live_release, read_release
from deploy.settle import settle
from deploy.sleep import is_asleep, mark_asleep
from deploy.start import find_live_start
from deploy.start_key import WEB
from deploy.trial_folder import sweep_new_apps, sweep_trials
from deploy.web import open_start
from toppcloud.app_layout import AppLayout, StartLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, swap_symlink, sweep_temporary
from toppcloud.lock import hold_lock
from toppcloud.node import Node
from toppcloud.slug import read_slug

_log = logging.getLogger(__name__)
_ABANDONED_S = 3600


def boot_apps(node: Node, console: Console) -> list[str]:
    """Start every app of the node. Returns the names of those that could not be started; each is told and logged."""
    sweep_temporary(node.layout.apps)
    sweep_new_apps(node.layout)
    failed = []
    for name in node.layout.app_names():
        app = node.layout.app(name)
        try:
            with hold_lock(app.release_lock, by="node", doing="starting", timeout_s=10):
                sweep_app(app)
                add_route(node, app, node.settings.host(name))  # a crash while it was made or renamed may have lost it
                boot_app(node, app, Console(lambda line: _log.info("%s", line)))
        except Exception as error:
            _log.exception("an app did not start", extra={"app": name})
            what = error.what if isinstance(error, ToppcloudError) else f"{type(error).__name__}: {error}"
            console.warning(f"{name} was not started: {what}")
            failed.append(name)
    return failed


def sweep_app(app: AppLayout) -> None:
    """Remove unfinished work: releases without a record, slugs without one, starts of processes that are gone."""
    for folder in (app.folder, app.releases, app.slugs):  # venvs: the next push does, which knows those being made
        if folder.is_dir():
            sweep_temporary(folder)
    sweep_trials(app)
    live = app.live_number()
    for number in app.release_numbers():
        layout = app.release(number)
        if read_release(layout) is None:
            remove_tree(layout.folder)
            continue
        if number == live:
            mark_live(layout)
        elif not layout.went_live.exists():
            for path in (layout.source, layout.tmp, layout.env):
                remove_tree(path)
        serving = find_live_start(layout) if number == live else None
        for path in layout.starts.iterdir() if layout.starts.is_dir() else ():
            if serving is None or path != serving.folder:
                remove_tree(path)
    for path in app.slugs.iterdir() if app.slugs.is_dir() else ():
        if not app.slug(path.name).record.exists() and time.time() - path.stat().st_mtime > _ABANDONED_S:
            remove_tree(path)


def boot_app(node: Node, app: AppLayout, console: Console) -> None:
    """Back to how it was: what slept sleeps on; anything else has a new start, whose socket is open at once. Requests
    wait in it until its turn to be started comes."""
    release = read_live_release(app)
    if release is None:
        return
    layout = app.release(release.version)
    before = find_live_start(layout)
    if before and not before.folder.is_dir():
        before = None
    if before and may_stay(app, before):
        if len(release.processes) > 1:
            settle(node, app, console)
        return
    slept = before is not None and before.asleep.exists()
    slug = read_slug(app.slug(release.slug))
    if slug is None:
        raise ToppcloudError(f"the slug {release.slug} of {app.name} is gone.", "", "Push again.")
    start = render(node, app, release, slug, read_app_settings(app))
    open_start(node, app, release, slug, start)
    if slept:
        mark_asleep(start.layout)
    swap_symlink(layout.web_sock, f"starts/{start.layout.number}/web.sock")
    doorman = DoormanClient(node.layout)
    doorman.attend(app.name, release.version, start.layout.number, wake=not slept)
    if before:
        doorman.close(app.name, release.version, before.number)
        remove_tree(before.folder)
    settle(node, app, console)
    prune_releases(node, app, console)


def may_stay(app: AppLayout, start: StartLayout) -> bool:
    """Whether the start can serve on as it is: it sleeps, or the doorman answers for it. He has opened both by now."""
    is_stopped = read_app_settings(app).stopped
    if start.unavailable.exists():
        return is_stopped or not list(start.folder.glob(f"{WEB}.*.ini"))
    return is_asleep(start) and not is_stopped
