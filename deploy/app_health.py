"""What the doctor looks at of apps: their host names, sockets, processes, virtualenvs and locks. Changes nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from deploy.finding import FAIL, OK, WARN, Finding
from deploy.live_start import UNWELL
from deploy.node_status import DOWN, UNATTENDED, NodeStatus
from deploy.release import Release, read_live_release
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.durations import now_utc, render_iso
from toppcloud.layout import Layout
from toppcloud.lock import read_holder
from toppcloud.node import Node
from toppcloud.slug import read_slug

_LONG_HELD_S = 1800


def check_routes(node: Node, status: NodeStatus) -> Iterator[Finding]:
    """Every host name leads to an app that the doorman answers for, and every app has its own host name."""
    layout = node.layout
    routes = sorted(layout.routes.iterdir()) if layout.routes.is_dir() else []
    routes = [path for path in routes if not path.name.startswith(".")]
    for path in routes:
        yield from _check_route(layout, path, status)
    for name in layout.app_names():
        own = layout.route(node.settings.host(name))
        if not os.path.lexists(own):
            yield Finding(FAIL, f"{name}: its host {own.name} leads nowhere", f"ln -s ../apps/{name} {own}")
    if routes:
        yield Finding(OK, f"{len(routes)} {'route' if len(routes) == 1 else 'routes'} looked at")


def _check_route(layout: Layout, path: Path, status: NodeStatus) -> Iterator[Finding]:
    name = path.readlink().name if path.is_symlink() else None
    if name is None:
        yield Finding(FAIL, f"{path} is not a link to an app", f"rm -r {path}")
        return
    app = layout.app(name)
    if not app.folder.is_dir():
        yield Finding(FAIL, f"the host {path.name} leads to {name}, and there is no such app", f"rm {path}")
    elif app.live_number() is None:
        yield Finding(WARN, f"{name} has no release yet: {path.name} answers 404", "git push toppcloud main")
    elif status.is_running and (why := _find_closed(app, status)):
        cure = f"toppcloud ps:restart -a {name}; toppcloud logs -a {name}"
        yield Finding(FAIL, f"{name}: nobody listens for {path.name} ({why})", cure)


def _find_closed(app: AppLayout, status: NodeStatus) -> str:
    """Why visitors cannot come to the app; empty when they can. Nobody connects to find out: that would be a visit,
    and wake it."""
    state = next((found.state for found in status.apps if found.name == app.name), UNATTENDED)
    if state == UNATTENDED:
        return "the doorman knows nothing of it"
    path = app.current / "web.sock"
    try:
        return "" if path.is_socket() else f"{path} is no socket"
    except OSError as error:
        return str(error.strerror or error)


def check_apps(node: Node, status: NodeStatus) -> Iterator[Finding]:
    """Every app runs that should, and has what its next start needs."""
    for name in node.layout.app_names():
        yield from _check_runtime(node.layout.app(name))
    if not status.is_running:
        return
    failing = [app for app in status.apps if app.state in (DOWN, UNWELL)]
    for app in failing:
        what = f"{app.name}: v{app.release} is {app.state}: {app.why}"
        yield Finding(FAIL, what, f"toppcloud ps -a {app.name}; toppcloud logs -a {app.name}")
    if status.apps and not failing:
        words = [app.state for app in status.apps]
        counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
        yield Finding(OK, f"{len(words)} {'app' if len(words) == 1 else 'apps'}: {counts}")


def _check_runtime(app: AppLayout) -> Iterator[Finding]:
    """The live release's slug, and the interpreter that its virtualenv leads to."""
    live = app.live_number()
    if live is None:
        return
    release = _read_live(app)
    if release is None:
        yield Finding(
            FAIL, f"{app.name}: the record of v{live} is gone, or cannot be read", f"toppcloud ps:rebuild -a {app.name}"
        )
        return
    slug = app.slug(release.slug)
    if not slug.record.exists():
        yield Finding(FAIL, f"{app.name}: the slug of v{live} is gone", f"toppcloud ps:rebuild -a {app.name}")
    elif _wants_python(slug) and not (slug.venv / "bin" / "python").exists():
        what = f"{app.name}: the virtualenv of v{live}, or its interpreter, is gone"
        yield Finding(FAIL, what, f"toppcloud ps:restart -a {app.name} builds it again")


def _wants_python(layout: SlugLayout) -> bool:
    """A static site has no virtualenv, nor has a program that brings along all that it needs."""
    try:
        slug = read_slug(layout)
    except (KeyError, TypeError, ValueError):
        return True
    return slug is None or slug.python_version is not None


def _read_live(app: AppLayout) -> Release | None:
    try:
        return read_live_release(app)
    except (TypeError, ValueError, OSError):
        return None  # `check_apps` tells


def check_locks(layout: Layout) -> Iterator[Finding]:
    """Nobody holds a lock for very long, or without saying who."""
    count = 0
    for path, name in _list_locks(layout):
        count += 1
        yield from _check_lock(path, name)
    yield Finding(OK, f"{count} {'lock' if count == 1 else 'locks'} looked at")


def _list_locks(layout: Layout) -> Iterator[tuple[Path, str | None]]:
    for path in (layout.node_lock, layout.people_lock, layout.routes_lock, layout.interpreter_lock):
        if path.exists():
            yield path, None
    for name in layout.app_names():
        app = layout.app(name)
        for path in (app.build_lock, app.release_lock, app.settings_lock, app.bindings_lock):
            if path.exists():
                yield path, name


def _check_lock(path: Path, app: str | None) -> Iterator[Finding]:
    prefix = f"{app}: " if app else ""
    holder = read_holder(path)
    if holder is None:
        if _is_held(path) and read_holder(path) is None:  # asked again: a holder signs right after it has the lock
            what = f"{prefix}{path} is held by a program that is not toppcloud's"
            yield Finding(WARN, what, f"See who: fuser -v {path}")
    elif (now_utc() - holder.since).total_seconds() > _LONG_HELD_S:
        what = f"{prefix}{holder.by} is {holder.doing} since {render_iso(holder.since)} (process {holder.pid})"
        is_build = app is not None and path.name.endswith("build")
        cure = f"toppcloud builds:cancel -a {app}" if is_build else f"kill {holder.pid}"
        yield Finding(WARN, what, cure)


def _is_held(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
