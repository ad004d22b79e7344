"""Looks for what is wrong with a node, and says how to mend it. Changes nothing."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from deploy.app_health import check_apps, check_locks, check_routes
from deploy.descriptors import check_descriptors
from deploy.doorman_client import DoormanClient
from deploy.finding import FAIL, OK, WARN, Finding
from deploy.holder_client import HolderClient
from deploy.host import http_answers, ssh_answers
from deploy.node_memory import read_node_memory
from deploy.node_programs import list_node_programs
from deploy.node_status import NodeStatus, read_status, render_uptime
from deploy.open_addresses import check_addresses
from deploy.ports import find_port_holders, render_holder
from deploy.visits import are_noticed
from toppcloud.durations import render_size
from toppcloud.errors import ToppcloudError
from toppcloud.idle import parse_idle
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.unix import connect_unix

_DISK_WARN, _DISK_FAIL = 0.90, 0.97
_INODES_WARN = 0.95
_OTHERS = 0o077
_KNOCK_S = 2.0


def examine_node(node: Node) -> Iterator[Finding]:
    """All findings, in an order that puts causes before their consequences."""
    status = read_status(node.layout)
    yield from check_programs(node.layout, status)
    yield from check_ports(node, status)
    yield from check_sockets(node.layout, status)
    yield from check_descriptors(pids_of(status))
    yield from check_disk(node.layout.root)
    yield from check_memory()
    yield from check_visits(node)
    yield from check_folders(node)
    yield from check_secrets(node.layout)
    yield from check_routes(node, status)
    yield from check_apps(node, status)
    yield from check_addresses(node.layout, status)
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


def pids_of(status: NodeStatus) -> dict[str, int]:
    """The node's own processes that run, supervisord among them."""
    own = {name: state.pid for name, state in status.programs.items() if state.pid}
    return own | ({"supervisord": status.pid} if status.pid else {})


def check_sockets(layout: Layout, status: NodeStatus) -> Iterator[Finding]:
    """The node's own sockets are answered, so deploys, restarts and sessions can go on."""
    if not status.is_running:
        return
    for name, knock in (
        ("doorman", DoormanClient(layout, patience_s=0.0).ping),
        ("holder", HolderClient(layout).names),
        ("sessions", lambda: connect_unix(layout.sessions_socket, timeout_s=_KNOCK_S).close()),
        ("logger", lambda: connect_unix(layout.logger_socket, kind=socket.SOCK_DGRAM).close()),
    ):
        try:
            knock()
        except (ToppcloudError, OSError) as error:
            why = getattr(error, "why", "") or getattr(error, "strerror", "") or str(error)
            cure = f"kill {status.programs[name].pid}" if name in status.programs else "toppcloud node stop; start"
            what = f"{name} does not answer at {layout.run / f'{name}.sock'}: {why.rstrip('.')}"
            yield Finding(FAIL, what, f"{cure} (it is started again); see {layout.program_log(name)}")


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


def check_memory() -> Iterator[Finding]:
    """Room for apps that wake. What is left once the node's own part is taken off decides; see memory_budget.py."""
    memory = read_node_memory()
    if memory:
        is_short = memory.available_bytes == 0
        what = f"memory: {render_size(memory.free_bytes)} of {render_size(memory.total_bytes)} free"
        cure = "toppcloud ps -a APP shows what each takes; ps:sleep, or a shorter idle in node.toml" if is_short else ""
        yield Finding(WARN if is_short else OK, what, cure)


def check_visits(node: Node) -> Iterator[Finding]:
    """The file system notes when somebody connects to a socket, which is how the doorman knows of visits."""
    if parse_idle(node.settings.idle) is not None and not are_noticed(node.layout.run):
        what = (
            f"{node.layout.root} is mounted noatime, so short visits go unseen and apps sleep although they are visited"
        )
        yield Finding(WARN, what, 'mount -o remount,relatime, or idle = "never" in node.toml')


def check_folders(node: Node) -> Iterator[Finding]:
    """The account of apps can come to where they lie."""
    layout = node.layout
    apps = [layout.app(name) for name in layout.app_names()]
    seen = set()
    for path in (
        layout.apps,
        layout.pythons,
        *(folder for app in apps for folder in (app.venvs, app.current / "source")),
    ):
        if node.account.is_self or not path.exists():
            continue
        closed = node.account.find_closed(path)
        if closed and closed not in seen:
            seen.add(closed)
            bits = "o+rx" if closed == path else "o+x"
            yield Finding(FAIL, f"{closed} is closed to the account {node.account.name}", f"chmod {bits} {closed}")


def check_secrets(layout: Layout) -> Iterator[Finding]:
    """Files with secrets are their owner's alone."""
    open_files = [path for path in _list_secrets(layout) if path.exists() and path.stat().st_mode & _OTHERS]
    for path in open_files:
        mode = stat.S_IMODE(path.stat().st_mode)
        bits = "go=" if path.is_dir() else "600"
        yield Finding(FAIL, f"{path} can be read by others ({mode:04o}): it holds secrets", f"chmod {bits} {path}")
    if not open_files:
        yield Finding(OK, "files with secrets are closed to others")


def _list_secrets(layout: Layout) -> Iterator[Path]:
    yield from (layout.host_key, layout.node_toml, layout.build_env, layout.postgres.password, layout.kept)
    for name in layout.app_names():
        app = layout.app(name)
        yield from (app.staged_config, app.bindings)
        for number in app.release_numbers():
            release = app.release(number)
            yield release.env
            yield from release.starts.glob("*/*.json")
