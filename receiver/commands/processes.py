"""ps:scale, ps:restart, ps:rebuild, ps:stop, ps:start, ps:idle, ps:sleep. `ps` itself: process_list.py."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

from deploy.app_lock import lock_release
from deploy.app_processes import IDLE_OWN, read_idle
from deploy.app_settings import edit_app_settings, read_app_settings, update_app_settings
from deploy.cutover import scale_workers
from deploy.doorman_client import DoormanClient
from deploy.release import read_live_release, require_live_release
from deploy.settle import settle
from deploy.start import WEB, choose_formation
from hooks.changes import Wishes, restart_app, start_app, stop_processes
from hooks.pipeline import Delivery, deliver
from receiver.branch_tip import open_branch_tip
from receiver.commands.process_list import render_idle
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.idle import parse_idle
from toppcloud.names import parse_process_type

_MOST_PROCESSES = 100
DEFAULT = "default"


def scale(session: Session, *, app: str, formation: tuple[str, ...], no_check: bool) -> None:
    layout = session.app(app)
    release = read_live_release(layout)
    if not formation:
        counts = (
            choose_formation(release, read_app_settings(layout)) if release else read_app_settings(layout).formation
        )
        session.print_table(counts.items())
        return
    wanted = dict(_parse_scale(word) for word in formation)
    for name in wanted:
        if release and name not in release.processes:
            near = suggest_nearest(name, release.processes)
            raise ToppcloudError(
                f"{app} has no process type '{name}'.{near}",
                f"v{release.version} has: {', '.join(release.processes) or 'none'}.",
            )
    before = read_app_settings(layout).formation
    now = choose_formation(release, read_app_settings(layout)) if release else before
    if all(now.get(name) == count for name, count in wanted.items()):
        session.write(f"{_render_formation(wanted)}: nothing to change")
        return
    edit_app_settings(layout, lambda old: dataclasses.replace(old, formation={**old.formation, **wanted}))
    try:
        if release is not None and not read_app_settings(layout).stopped:
            _apply_scale(
                session, layout, changes_web=wanted.get(WEB, now.get(WEB)) != now.get(WEB), checks=not no_check
            )
    except BaseException:
        update_app_settings(layout, formation=before)
        raise
    session.write(_render_formation(wanted))


def _apply_scale(session: Session, app: AppLayout, *, changes_web: bool, checks: bool) -> None:
    """Web processes are one start and change together; workers come and go beside them."""
    if changes_web:
        wishes = Wishes(session.person, checks=checks, runs_release_command=False)
        restart_app(session.node, app, wishes, session.console)
    else:
        scale_workers(session.node, app, session.console, by=session.person, checks=checks)


def _render_formation(formation: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={count}" for name, count in formation.items())


def restart(session: Session, *, app: str, no_check: bool, release_command: bool) -> None:
    began = time.monotonic()
    layout = session.app(app)
    release = require_live_release(layout)
    if read_app_settings(layout).stopped:
        raise ToppcloudError(f"{app} is stopped.", "", f"toppcloud ps:start -a {app}")
    wishes = Wishes(session.person, checks=not no_check, runs_release_command=release_command)
    restart_app(session.node, layout, wishes, session.console)
    session.write(f"v{release.version} restarted in {time.monotonic() - began:.1f} s")


def rebuild(session: Session, *, app: str, no_check: bool, leave_files: bool) -> None:
    """What the branch holds, built anew: for a rollback that is over, or dependencies that are to be resolved again."""
    layout = session.app(app)
    with open_branch_tip(layout) as tip:
        delivery = Delivery(
            kind="rebuild",
            by=session.person,
            commit=tip.commit,
            old_commit=None,
            store=tip.store,
            checks=not no_check,
            leaves_files=leave_files,
        )
        outcome = deliver(session.node, layout, delivery, session.console)
    session.write(f"v{outcome.release.version} live: {outcome.release.commit[:7]} built anew")


def stop(session: Session, *, app: str) -> None:
    layout = session.app(app)
    require_live_release(layout)
    if read_app_settings(layout).stopped:
        session.write(f"{app} is stopped already.")
        return
    with lock_release(layout, by=session.person, doing="stopping", console=session.console):
        update_app_settings(layout, stopped=True)
        stop_processes(session.node, layout)
        settle(session.node, layout, session.console)
    session.write(f"{app} is stopped; visitors get a 503 page. Start it: toppcloud ps:start -a {app}")


def start(session: Session, *, app: str, no_check: bool) -> None:
    layout = session.app(app)
    if not read_app_settings(layout).stopped:
        session.write(f"{app} is not stopped.")
        return
    wishes = Wishes(session.person, checks=not no_check, runs_release_command=False)
    start_app(session.node, layout, wishes, session.console)
    session.write(f"{app} is started: {session.node.settings.url(app)}")


def idle(session: Session, *, app: str, span: str | None) -> None:
    """Show, or set, after how long without a visit the app sleeps."""
    layout = session.app(app)
    if span == DEFAULT:
        update_app_settings(layout, idle=None)
    elif span is not None:
        parse_idle(span)
        update_app_settings(layout, idle=span.strip().lower())
    if span is not None:
        DoormanClient(session.node.layout).heed_settings()
    found = read_idle(session.node, layout)
    back = f". Back to the default: toppcloud ps:idle {DEFAULT}" if found.origin == IDLE_OWN else ""
    session.write(f"{app} {render_idle(found)} ({found.origin}){back}")


def sleep(session: Session, *, app: str) -> None:
    """Let the app sleep now; its next visitor wakes it."""
    release = require_live_release(session.app(app))
    if WEB not in release.processes:
        raise ToppcloudError(f"{app} has no web process, so there is nothing to let sleep.")
    DoormanClient(session.node.layout).sleep(app)
    session.write(f"{app} sleeps. Its next visitor wakes it: {session.node.settings.url(app)}")


def _parse_scale(word: str) -> tuple[str, int]:
    name, equals, number = word.partition("=")
    if not equals or not (number.isascii() and number.isdigit()) or int(number) > _MOST_PROCESSES:
        raise ToppcloudError(
            f"'{word}' is not TYPE=NUMBER.",
            f"The number is 0 to {_MOST_PROCESSES}.",
            "Example: toppcloud ps:scale web=1 worker=2",
            status=2,
        )
    return parse_process_type(name), int(number)
