"""What a person sees who comes in without a command: there is no shell here.

Hello ana. This node serves 14 apps (9 asleep, 2 stopped). Commands: help. To push: git remote add toppcloud ssh://…/NAME
"""

from __future__ import annotations

from deploy.live_start import ASLEEP, STOPPED
from deploy.node_status import read_doors
from receiver.remote import Remote
from toppcloud.node import Node
from toppcloud.settings import parse_address


def render_greeting(node: Node, person: str, address: str) -> str:
    """One line for `person`, who reached the front door at `address`."""
    names = node.layout.app_names()
    states = [door.state for door in read_doors(node.layout).values()]
    counts = [f"{states.count(word)} {word}" for word in (ASLEEP, STOPPED) if word in states]
    apps = "no app yet" if not names else "1 app" if len(names) == 1 else f"{len(names)} apps"
    aside = f" ({', '.join(counts)})" if counts else ""
    host, port = parse_address(address)
    remote = Remote(host, port, "NAME").url
    return (
        f"Hello {person}. This node serves {apps}{aside}. Commands: help. To push: git remote add toppcloud {remote}\n"
    )
