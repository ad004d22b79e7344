"""The router: Caddy or nginx with one static configuration. A deploy, an app or a domain is a rename of a symlink and
no reload.

Its listening socket is the holder's ("router"), so it needs no right to a low port and may be killed at any time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.caddy import caddy_argv, caddy_environment, find_caddy, render_caddy
from deploy.nginx import count_descriptors, find_nginx, nginx_argv, nginx_environment, render_nginx
from deploy.open_sockets import ROUTER
from toppcloud.account import find_account
from toppcloud.files import write_file, write_json
from toppcloud.node import Node
from toppcloud.program import BASE_PATH

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = ("unknown_host", "silent_app", "too_large")
STOP_SIGNALS = {"caddy": "TERM", "nginx": "QUIT"}
"""What ends each of them once the requests under way are answered."""


@dataclass(frozen=True)
class RouterProgram:
    """A router as the launcher runs it, in the node's root; all its paths are relative to that."""

    argv: list[str]
    environment: dict[str, str]
    configuration: str


def read_pages() -> dict[str, str]:
    """What the router says itself: {"unknown_host_page": "<!doctype html>...", ...}"""
    return {f"{name}_page": (_TEMPLATES / f"{name}.html").read_text() for name in _PAGES}


def find_router(name: str) -> Path:
    """The program of that router. Raises ToppcloudError when it is not installed."""
    return find_nginx() if name == "nginx" else find_caddy()


def plan_router(node: Node, program: Path) -> RouterProgram:
    """What `router` of node.toml asks for."""
    layout, settings = node.layout, node.settings
    configuration = layout.router_conf(settings.router).relative_to(layout.root)
    errors_log = str(layout.router_errors.relative_to(layout.root))
    if settings.router == "nginx":
        text = render_nginx(
            settings.http_address,
            read_pages(),
            largest_upload_mb=settings.largest_upload_mb,
            descriptors=count_descriptors(),
            errors_log=errors_log,
        )
        return RouterProgram(nginx_argv(program, configuration), nginx_environment(), text)
    port = settings.http_address[1]
    text = render_caddy(port, read_pages(), largest_upload_mb=settings.largest_upload_mb, errors_log=errors_log)
    return RouterProgram(caddy_argv(program, configuration), caddy_environment(layout.router_home), text)


def router_spec(node: Node, router: RouterProgram) -> dict[str, Any]:
    """What the launcher runs: as a user of its own that shares the apps' group, to reach their sockets."""
    account = find_account(node.settings.router_user) if os.geteuid() == 0 else None
    return {
        "program": "router",
        "argv": router.argv,
        "env": {"PATH": BASE_PATH, "HOME": str(node.layout.router_home), "LANG": "C.UTF-8", **router.environment},
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
    router = plan_router(node, find_router(node.settings.router))
    write_file(node.layout.router_conf(node.settings.router), router.configuration)
    write_json(node.layout.router_spec, router_spec(node, router), mode=0o600)
