"""Looks for what is wrong with a node, and says how to mend it. Changes nothing."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.doorman_client import DoormanClient
from deploy.host import http_answers, ssh_answers
from deploy.node_programs import list_node_programs
from deploy.node_status import DOWN, NodeStatus, read_status, render_uptime
from deploy.ports import find_port_holders, render_holder
from toppcloud.durations import now_utc, render_iso, render_size
from toppcloud.errors import ToppcloudError
from toppcloud.layout import AppLayout, Layout
from toppcloud.lock import Holder, read_holder
from toppcloud.node import Node
from toppcloud.unix import connect_unix

OK, WARN, FAIL = "ok", "warn", "FAIL"
_DISK_WARN, _DISK_FAIL = 0.90, 0.97
_INODES_WARN = 0.95
_OTHERS = 0o077
_LONG_HELD_S = 1800


@dataclass(frozen=True)
class Finding:
    """One line: `FAIL  shop: …      the line to type`."""

    level: str
    what: str
    cure: str = ""


def examine_node(node: Node) -> Iterator[Finding]:
    """All findings, in an order that puts causes before their consequences."""
    status = read_status(node.layout)
    yield from check_programs(node.layout, status)
    yield from check_ports(node, status)
    yield from check_doorman(node.layout, status)
    yield from check_disk(node.layout.root)
    yield from check_folders(node)
    yield from check_secrets(node.layout)
    yield from check_routes(node.layout, status)
    yield from check_apps(status)
    yield from check_locks(node.layout)


def check_programs(layout: Layout, status: NodeStatus) -> Iterator[Finding]:
    """The node's own programs, under supervisord."""
    if not status.is_running:
        yield Finding(FAIL, "the node does not run", f"toppcloud node start --root {layout.root}")
        return
    missing = [p.name for p in list_node_programs(layout) if p.name not in status.programs]
    crashing = [name for name, state in status.programs.items() if not state.is_running]
    for name in missing:
        yield Finding(FAIL, f"{name} is unknown to supervisord", "toppcloud node stop; toppcloud node start")
    for name in crashing:
        yield Finding(FAIL, f"{name} is {status.programs[name].state}", f"See {layout.program_log(name)}")
    if not missing and not crashing:
        since = max(state.started_at for state in status.programs.values())
        yield Finding(OK, f"{', '.join(status.programs)}, supervisord (no restart for {render_uptime(since)})")


def check_ports(node: Node, status: NodeStatus) -> Iterator[Finding]:
    """SSH and HTTP answer; nobody else has their ports while the node is down."""
    settings = node.settings
    for name, text, address, answers in (
        ("SSH", settings.ssh, settings.ssh_address, ssh_answers),
        ("HTTP", settings.http, settings.http_address, http_answers),
    ):
        if status.is_running and answers(settings):
            yield Finding(OK, f"{name} answers at {text}")
        elif status.is_running:
            log = node.layout.program_log("door" if name == "SSH" else "router")
            yield Finding(FAIL, f"{name} does not answer at {text}", f"See {log}")
        elif holders := find_port_holders(address[1]):
            what = f"port {address[1]} is busy. {render_holder(holders).rstrip('.')}"
            yield Finding(FAIL, what, f"End it, or: toppcloud node start --{name.lower()} HOST:PORT")


def check_doorman(layout: Layout, status: NodeStatus) -> Iterator[Finding]:
    """The doorman answers, so deploys and restarts can go on."""
    if not status.is_running:
        return
    try:
        DoormanClient(layout).ping()
    except ToppcloudError as error:
        yield Finding(FAIL, f"{error.what} {error.why}", f"See {layout.program_log('doorman')}")


def check_disk(root: Path) -> Iterator[Finding]:
    """Room for the next build."""
    usage = shutil.disk_usage(root)
    part = usage.used / (usage.used + usage.free)
    level = FAIL if part > _DISK_FAIL else WARN if part > _DISK_WARN else OK
    cure = "" if level == OK else "du -xh ROOT/apps | sort -h; keep fewer: kept_releases in node.toml"
    yield Finding(level, f"disk {part:.0%} full, {render_size(usage.free)} free", cure)
    info = os.statvfs(root)
    if info.f_files and 1 - info.f_favail / info.f_files > _INODES_WARN:
        yield Finding(WARN, "the disk has hardly any inodes left", "Remove small files, or move to another disk.")


def check_folders(node: Node) -> Iterator[Finding]:
    """The account of apps can come to where they lie."""
    for folder in (node.layout.apps, node.layout.pythons):
        closed = None if node.account.is_self or not folder.is_dir() else node.account.find_closed(folder)
        if closed:
            yield Finding(FAIL, f"{closed} is closed to the account {node.account.name}", f"chmod o+x {closed}")


def check_secrets(layout: Layout) -> Iterator[Finding]:
    """Files with secrets are their owner's alone."""
    open_files = [path for path in _list_secrets(layout) if path.exists() and path.stat().st_mode & _OTHERS]
    for path in open_files:
        mode = stat.S_IMODE(path.stat().st_mode)
        yield Finding(FAIL, f"{path} can be read by others ({mode:04o}): it holds secrets", f"chmod 600 {path}")
    if not open_files:
        yield Finding(OK, "files with secrets are closed to others")


def _list_secrets(layout: Layout) -> Iterator[Path]:
    yield from (layout.host_key, layout.node_toml, layout.build_env, layout.postgres.folder / "password")
    for name in layout.app_names():
        app = layout.app(name)
        yield from (app.staged_config, app.bindings)
        for number in app.release_numbers():
            release = app.release(number)
            yield release.env
            yield from release.starts.glob("*/*.json")


def check_routes(layout: Layout, status: NodeStatus) -> Iterator[Finding]:
    """Every host name leads to an app whose socket accepts."""
    count = 0
    for path in sorted(layout.routes.iterdir()) if layout.routes.is_dir() else ():
        if path.name.startswith("."):
            continue
        count += 1
        yield from _check_route(layout, path, status)
    if count:
        yield Finding(OK, f"{count} {'route' if count == 1 else 'routes'} looked at")


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
    elif status.is_running and (why := _refusal(app)):
        cure = f"toppcloud ps:restart -a {name}; toppcloud logs -a {name}"
        yield Finding(FAIL, f"{name}: nobody listens for {path.name} ({why})", cure)


def _refusal(app: AppLayout) -> str:
    """Why web.sock does not accept; empty when it does, or when the app has no web process."""
    socket = app.current / "web.sock"
    if not os.path.lexists(socket):
        return ""
    try:
        connect_unix(socket, timeout_s=2.0).close()
    except OSError as error:
        return str(error.strerror or error)
    return ""


def check_apps(status: NodeStatus) -> Iterator[Finding]:
    """Every app runs that should."""
    if not status.is_running:
        return
    down = [app for app in status.apps if app.state == DOWN]
    for app in down:
        what = f"{app.name}: a process of v{app.release} does not run"
        yield Finding(FAIL, what, f"toppcloud ps -a {app.name}; toppcloud logs -a {app.name}")
    if status.apps and not down:
        words = [app.state for app in status.apps]
        counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
        yield Finding(OK, f"{len(words)} {'app' if len(words) == 1 else 'apps'}: {counts}")


def check_locks(layout: Layout) -> Iterator[Finding]:
    """Nobody holds a lock for very long."""
    for name in layout.app_names():
        app = layout.app(name)
        for path in (app.build_lock, app.release_lock):
            holder: Holder | None = read_holder(path)
            if holder and (now_utc() - holder.since).total_seconds() > _LONG_HELD_S:
                what = f"{name}: {holder.by} is {holder.doing} since {render_iso(holder.since)} (process {holder.pid})"
                yield Finding(WARN, what, f"toppcloud builds:cancel -a {name}")
