"""node start, node stop, node status, node doctor: on the machine where they are typed."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import shlex
import sys
from pathlib import Path
from typing import Any

from deploy.finding import FAIL
from deploy.first_person import Starter
from deploy.host import StartOptions, start_node, stop_node
from deploy.node_status import NodeStatus, read_status, render_uptime
from hooks.node_check import check_node
from receiver.session import render_table
from toppcloud.build_variables import record_build_variables
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.node import choose_root, open_node
from toppcloud.program import BASE_PATH
from toppcloud.settings import NodeSettings

_LABEL_WIDTH = 12


def start(
    root: str | None, ssh: str | None, http: str | None, admin_key: str | None, router: str | None, domain: str | None
) -> None:
    """Have the node run, and say how to reach it."""
    folder = choose_root(root, dict(os.environ))
    key = Path(admin_key).expanduser() if admin_key else None
    starter = Starter(_login_name(), _home(), key, os.environ.get("PATH") or BASE_PATH)
    console = Console(lambda line: print(line, file=sys.stderr, flush=True))
    options = StartOptions(ssh, http, router, domain)
    is_new = start_node(folder, options, starter, console)
    layout = Layout(folder)
    record_build_variables(layout, {"HOME": str(_home()), **os.environ})
    status = read_status(layout)
    if not is_new:
        print(f"The node in {folder} runs already.")
        _warn_of_unheeded(status.settings, options)
    is_default = folder == choose_root(None, dict(os.environ))
    for line in render_addresses(layout, status.settings, is_default=is_default):
        print(line)


def stop(root: str | None) -> None:
    """Stop the node and its apps; data and settings stay."""
    folder = choose_root(root, dict(os.environ))
    if stop_node(folder):
        print(f"The node in {folder} is stopped. Its data stays.")
    else:
        print(f"The node in {folder} does not run.")


def status(root: str | None, as_json: bool) -> int:
    """0 when it runs, 1 when not."""
    layout = Layout(choose_root(root, dict(os.environ)))
    found = read_status(layout)
    if as_json:
        print(json.dumps(status_value(found), indent=2))
    elif not found.is_running:
        option = "" if root is None else f" --root {shlex.quote(root)}"
        print(f"The node in {layout.root} does not run. Start it: toppcloud node start{option}")
    else:
        print("\n".join(render_status(found)))
    return 0 if found.is_running else 1


def doctor(root: str | None, as_json: bool) -> int:
    """1 when anything is wrong."""
    node = open_node(choose_root(root, dict(os.environ)))
    findings = list(check_node(node))
    if as_json:
        print(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            cure = f"   {finding.cure}" if finding.cure else ""
            print(f"{finding.level:<4}  {finding.what}{'.' if cure else ''}{cure}")
    return 1 if any(finding.level == FAIL for finding in findings) else 0


def render_addresses(layout: Layout, settings: NodeSettings, *, is_default: bool) -> list[str]:
    """What the starter needs: addresses, the host's key, and what to type next.

    A node in another folder than the default is not found by `git:remote`, so its address is part of that line.
    """
    from deploy.ssh_keys import fingerprint

    host, port = settings.ssh_address
    public = layout.host_key_pub.read_text().strip()
    name = host if port == 22 else f"[{host}]:{port}"
    facts = {
        "SSH": f"ssh://toppcloud@{settings.ssh}",
        "HTTP": f"http://{settings.http}   apps at {settings.url('NAME')}",
        "folder": str(layout.root),
        "host key": fingerprint(public),
        "known_hosts": f"{name} {' '.join(public.split()[:2])}",
    }
    lines = [f"{label:<{_LABEL_WIDTH}}{value}" for label, value in facts.items()]
    where = "" if is_default else f" --host {host} --port {port}"
    return [*lines, "", "Next, in a repository:", f"  toppcloud git:remote NAME{where}", "  git push toppcloud main"]


def render_status(found: NodeStatus) -> list[str]:
    """For people."""
    settings = found.settings
    lines = [f"The node in {found.root} runs: SSH {settings.ssh}, HTTP {settings.http}, supervisord {found.pid}.", ""]
    programs = [
        (state.name, state.state.lower(), f"pid {state.pid or '-'}", f"since {render_uptime(state.started_at)}")
        for state in found.programs.values()
    ]
    apps = [(app.name, app.state, f"v{app.release}" if app.release else "", app.url, app.why) for app in found.apps]
    return [*lines, *render_table(programs), "", *(render_table(apps) or ["No apps yet. git push toppcloud main"])]


def status_value(found: NodeStatus) -> dict[str, Any]:
    """For programs."""
    return {
        "running": found.is_running,
        "root": str(found.root),
        "ssh": found.settings.ssh,
        "http": found.settings.http,
        "pid": found.pid,
        "programs": [
            {"name": state.name, "state": state.state.lower(), "pid": state.pid, "spawns": state.spawns}
            for state in found.programs.values()
        ],
        "apps": [
            {"name": a.name, "release": a.release, "state": a.state, "url": a.url, "why": a.why} for a in found.apps
        ],
    }


def _warn_of_unheeded(settings: NodeSettings, options: StartOptions) -> None:
    for name, wanted in dataclasses.asdict(options).items():
        if wanted not in (None, getattr(settings, name)):
            print(f"--{name} {wanted} was not heeded: first toppcloud node stop", file=sys.stderr)


def _login_name() -> str:
    for name in ("LOGNAME", "USER"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _home() -> Path:
    if home := os.environ.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError as error:
        raise ToppcloudError("Nobody knows your home folder.", "HOME is not set.", "Set HOME and try again.") from error
