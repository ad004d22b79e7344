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
from deploy.supervisor import Supervisor
from deploy.web import start_relay
from toppcloud.app_layout import AppLayout
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
        remove_tree(layout.starts)
    for path in app.slugs.iterdir() if app.slugs.is_dir() else ():
        if not app.slug(path.name).record.exists() and time.time() - path.stat().st_mtime > _ABANDONED_S:
            remove_tree(path)


def boot_app(node: Node, app: AppLayout, console: Console) -> None:
    """A new start of the live release. Its socket is open at once; requests wait in it until the app is up."""
    release = read_live_release(app)
    if release is None:
        return
    slug = read_slug(app.slug(release.slug))
    if slug is None:
        raise ToppcloudError(f"the slug {release.slug} of {app.name} is gone.", "", "Push again.")
    settings = read_app_settings(app)
    start = render(node, app, release, slug, settings)
    doorman = DoormanClient(node.layout)
    doorman.open_socket(app.name, release.version, start.layout.number)
    if settings.stopped or not start.web:
        doorman.answer_unavailable(app.name, release.version, start.layout.number)
    swap_symlink(start.release.web_sock, f"starts/{start.layout.number}/web.sock")
    supervisor = Supervisor(node.layout)
    for process in start.web if not settings.stopped else ():
        supervisor.add(start.layout.program(process.process))
        supervisor.start(process.program)
        if start.release.relayed.exists():
            start_relay(node, app, start, process)
    settle(node, app, console)
    prune_releases(node, app, console)
