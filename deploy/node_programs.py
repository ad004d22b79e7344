"""The programs that a node consists of, besides its apps and services."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.render import render_template
from deploy.router import STOP_SIGNALS, write_router
from toppcloud.files import write_file
from toppcloud.layout import Layout
from toppcloud.node import Node

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class NodeProgram:
    """A program under supervisord that a node always has."""

    name: str
    argv: tuple[str, ...]
    purpose: str
    stop_signal: str = "TERM"
    """What ends it once it is through with what it has."""


def list_node_programs(layout: Layout, router: str = "caddy") -> tuple[NodeProgram, ...]:
    """In the order in which they are started. Our own code runs with -I: no app's folder is ever imported from."""

    def module(name: str, purpose: str) -> NodeProgram:
        short = name.rpartition(".")[2]
        return NodeProgram(short, (sys.executable, "-I", "-m", name, "--root", str(layout.root)), purpose)

    def script(name: str, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-I", "-S", str(_HERE / name), *words)

    return (
        NodeProgram("holder", script("holder.py"), "keeps the listening sockets"),
        module("deploy.doorman", "opens sockets, drains old starts, answers for stopped apps"),
        module("deploy.logger", "writes what apps print"),
        module("receiver.sessions", "a worker process for each SSH session"),
        module("receiver.door", "SSH for people and git"),
        NodeProgram("router", script("launcher.py", str(layout.router_spec)), "HTTP to the apps", STOP_SIGNALS[router]),
    )


def write_node_programs(node: Node) -> None:
    """All that supervisord reads at its start."""
    layout = node.layout
    write_router(node)
    programs = list_node_programs(layout, node.settings.router)
    write_file(layout.programs / "node.ini", render_template("node_programs.ini.j2", programs=programs))
    write_file(layout.supervisor_conf, render_template("supervisord.conf.j2", is_root=os.geteuid() == 0))
