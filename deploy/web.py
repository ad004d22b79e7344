"""The web processes of a start: run on the start's own socket, checked there, and ended when they never served."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from http import HTTPStatus

from deploy.answers import NOT_FOUND, UNAVAILABLE
from deploy.app_settings import read_app_settings
from deploy.check import Answer, Cure, check_start
from deploy.doorman_client import DoormanClient
from deploy.output_log import read_last_lines, shorten_tracebacks
from deploy.own_page import copy_missing_page, copy_unavailable_page
from deploy.public_files import publish_files
from deploy.release import Release
from deploy.start import WEB, Process, Start, program_name
from deploy.start_key import StartKey, parse_program_name
from deploy.supervisor import Supervisor
from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.node import Node
from toppcloud.slug import Slug

_UNCHECKED_TIMEOUT_S = 5.0
_OUTPUT_LINES, _SHOWN_LINES = 200, 20


def start_web(
    node: Node, app: AppLayout, release: Release, slug: Slug, start: Start, console: Console, *, checks: bool
) -> Answer | None:
    """Open the start's socket, run its web processes on it and wait until they answer there.

    An app that was stopped by `ps:stop` is not started: its release waits for `ps:start`. For it, and for one that has
    no web process at all, the doorman answers visitors.
    """
    if not open_start(node, app, release, slug, start):
        is_stopped = read_app_settings(app).stopped
        if WEB in release.processes:
            console.step(
                "web: not started, since " + ("the app is stopped (ps:start)" if is_stopped else "web is scaled to 0")
            )
        return None
    supervisor = Supervisor(node.layout)
    for process in start.web:
        supervisor.add(start.layout.program(process.process))
        supervisor.start(process.program)
    if not checks:
        _wait_unchecked(node, app, release, slug, start)
        console.step(f"web: {release.processes[WEB]}; started, not checked")
        return None
    with console.timed_step(f"web: {release.processes[WEB]}") as timed:
        answer = _check(node, app, release, slug, start, slug.check.timeout_s or node.settings.boot_timeout_s)
        through = " through its $PORT" if answer.relayed else ""
        timed.text += f"; answered {slug.check.path} with {answer.status}{through}"
    if answer.secure_location:
        console.warning(
            f"{slug.check.path} leads to {answer.secure_location}, and this node has no https: nobody gets there."
        )
        console.warning("Switch that off in the app; in Django it is SECURE_SSL_REDIRECT.")
    if answer.status == HTTPStatus.BAD_REQUEST:
        console.warning(f"{slug.check.path} is answered with 400 when asked as {node.settings.host(app.name)}.")
        console.warning("Visitors may see that, too. In Django that host is to stand in ALLOWED_HOSTS.")
    return answer


def open_start(node: Node, app: AppLayout, release: Release, slug: Slug, start: Start) -> bool:
    """Open the start's socket. Whether programs are to serve it; else the doorman answers there."""
    is_stopped = read_app_settings(app).stopped
    publish_files(app, start.release, slug, is_stopped=is_stopped)
    copy_pages(app, release, slug, start)
    doorman = DoormanClient(node.layout)
    doorman.open_socket(app.name, release.version, start.layout.number)
    if start.web and not is_stopped:
        return True
    doorman.answer(app.name, release.version, start.layout.number, status=choose_status(release, start))
    return False


def copy_pages(app: AppLayout, release: Release, slug: Slug, start: Start) -> None:
    """What the doorman says in the app's own words."""
    if choose_status(release, start) == NOT_FOUND:
        copy_missing_page(app.slug(slug.id), slug.web, start.layout)
    else:
        copy_unavailable_page(app.slug(slug.id), slug.web, start.layout)


def choose_status(release: Release, start: Start) -> int:
    """What the doorman answers when no program does. Of a static site the router serves what is there: the rest is
    not found."""
    is_static = start.release.public.exists() and WEB not in release.processes
    return NOT_FOUND if is_static else UNAVAILABLE


def _check(node: Node, app: AppLayout, release: Release, slug: Slug, start: Start, timeout_s: float) -> Answer:
    return check_start(
        node.layout,
        start,
        slug.check,
        host=node.settings.host(app.name),
        timeout_s=timeout_s,
        cure=choose_cure(app, release),
        start_relay=lambda process: start_relay(node, app, start, process),
        read_output=lambda since: _read_output(app, release, since),
    )


def _read_output(app: AppLayout, release: Release, since: float) -> list[str]:
    lines = read_last_lines(app, release.version, process_type=WEB, since=since, count=_OUTPUT_LINES)
    return shorten_tracebacks(lines)[-_SHOWN_LINES:]


def choose_cure(app: AppLayout, release: Release) -> Cure:
    """In the words of what was done: a push, a change without one, or a new start of what is live."""
    if app.live_number() == release.version:
        return Cure("Correct the cause and try again.", "--no-check", f"toppcloud logs -n 500 -a {app.name}")
    output = f"toppcloud releases:output v{release.version} -a {app.name}"
    if release.kind in ("push", "rebuild"):
        return Cure("Correct it, commit and push again.", "-o no-check", output)
    return Cure("Correct it and type the command again.", "--no-check", output)


def _wait_unchecked(node: Node, app: AppLayout, release: Release, slug: Slug, start: Start) -> None:
    """Ask all the same, so that a program on its $PORT gets its relay; whatever comes of it is not looked at."""
    with contextlib.suppress(ToppcloudError):
        _check(node, app, release, slug, start, _UNCHECKED_TIMEOUT_S)


def start_relay(node: Node, app: AppLayout, start: Start, process: Process) -> None:
    """Run the relay that leads from the socket to the process's own $PORT."""
    name = f"{process.process}.relay"
    start.release.relayed.touch()
    supervisor = Supervisor(node.layout)
    supervisor.add(start.layout.program(name))
    supervisor.start(program_name(app, name, start.release.number, start.layout.number))


def stop_programs(node: Node, app: AppLayout, layout: ReleaseLayout) -> None:
    """Stop and forget all programs of a release that never went live, and close its sockets."""
    _remove_programs(node, app, lambda key: key.release == layout.number)
    if layout.starts.is_dir():
        for path in layout.starts.iterdir():
            DoormanClient(node.layout).close(app.name, layout.number, int(path.name))


def discard_start(node: Node, start: Start) -> None:
    """Stop and forget a start that never served."""
    _remove_programs(node, start.app, lambda key: key == start.key)
    DoormanClient(node.layout).close(start.app.name, start.release.number, start.layout.number)
    remove_tree(start.layout.folder)


def _remove_programs(node: Node, app: AppLayout, is_meant: Callable[[StartKey], bool]) -> None:
    supervisor = Supervisor(node.layout)
    for name in supervisor.states(prefix=f"{app.name}."):
        parsed = parse_program_name(name)  # a process type may be called v12, so looking for that would not do
        if parsed and is_meant(parsed[0]):
            supervisor.remove(name)
