"""Programs of apps that other machines reach without the router, since they listen on more than the loopback interface.

They are served all the same, and named: in the push that brings them, and by the doctor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deploy.finding import WARN, Finding
from deploy.listeners import Listener, find_all_listeners
from deploy.node_status import NodeStatus
from deploy.start import Process
from deploy.start_key import parse_program_name
from deploy.supervisor import ProgramState, Supervisor
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout

CURE = "Bind 127.0.0.1:$PORT."


def find_open_addresses(states: Mapping[str, ProgramState]) -> dict[str, list[Listener]]:
    """{"blog.web.1.v12.2": [0.0.0.0:5123]} for those programs that listen on more than loopback."""
    leaders = {state.pid: name for name, state in states.items() if state.pid}
    listeners = find_all_listeners(leaders)
    found = {leaders[pid]: [one for one in ones if one.is_open] for pid, ones in listeners.items()}
    return {name: ones for name, ones in found.items() if ones}


def warn_of_open_addresses(layout: Layout, processes: Iterable[Process], console: Console) -> None:
    """A line for each process of a start that answers now."""
    supervisor = Supervisor(layout)
    try:
        known = {process.program: supervisor.state(process.program) for process in processes}
    except ToppcloudError:
        return  # the release answers; nobody can be asked for this now
    open_ones = find_open_addresses({name: state for name, state in known.items() if state})
    for process in processes:
        if ones := open_ones.get(process.program):
            console.warning(f"{process.process} {describe(ones)} {CURE}")


def check_addresses(layout: Layout, status: NodeStatus) -> Iterator[Finding]:
    """The same for all apps of a node that runs."""
    if not status.is_running:
        return
    states = {name: state for name, state in Supervisor(layout).states().items() if parse_program_name(name)}
    for name, ones in sorted(find_open_addresses(states).items()):
        key, process = parse_program_name(name) or (None, "")
        if key:
            yield Finding(WARN, f"{key.app}: {process} of v{key.release} {describe(ones)}".rstrip("."), CURE)


def describe(listeners: Iterable[Listener]) -> str:
    """`listens on 0.0.0.0:5123, where other machines reach it past the router.`"""
    return f"listens on {', '.join(map(str, listeners))}, where other machines reach it past the router."
