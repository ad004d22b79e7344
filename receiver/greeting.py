"""What a person sees who comes in without a command: there is no shell here.

Hello ana. This node serves 14 apps (2 stopped). Commands: help. To push: git remote add toppcloud ssh://…/NAME
"""

from __future__ import annotations

from deploy.app_settings import read_app_settings
from receiver.remote import Remote
from toppcloud.node import Node
from toppcloud.settings import parse_address


def render_greeting(node: Node, person: str, address: str) -> str:
    """One line for `person`, who reached the front door at `address`."""
    names = node.layout.app_names()
    stopped = sum(read_app_settings(node.layout.app(name)).stopped for name in names)
    apps = "no app yet" if not names else "1 app" if len(names) == 1 else f"{len(names)} apps"
    aside = f" ({stopped} stopped)" if stopped else ""
    host, port = parse_address(address)
    remote = Remote(host, port, "NAME").url
    return (
        f"Hello {person}. This node serves {apps}{aside}. Commands: help. To push: git remote add toppcloud {remote}\n"
    )
