"""git:remote: the one line that a repository needs to be pushed. Runs on the laptop."""

from __future__ import annotations

import os

from receiver.git_config import write_remote
from receiver.local_node import find_local_node
from receiver.remote import Remote
from toppcloud.names import parse_app_name
from toppcloud.settings import DEFAULT_SSH, parse_address


def add(*, name: str, host: str | None, port: int | None, remote: str) -> None:
    """Add the remote, or correct it, and show it."""
    target = choose_target(name, host, port)
    write_remote(remote, target.url, os.environ)
    print(f"{remote}  {target.url}")


def choose_target(name: str, host: str | None, port: int | None) -> Remote:
    """The app on `host`; without one, on the node of this machine."""
    node = find_local_node(os.environ) if host is None else None
    default_host, default_port = parse_address(DEFAULT_SSH)
    if node:
        default_host, default_port = node.host, node.port or default_port
    return Remote(host or default_host, port or default_port, parse_app_name(name))
