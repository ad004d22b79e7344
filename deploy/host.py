"""A node's start, stop and status, each a story of named steps. May be repeated, and interrupted, at any point."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.boot import boot_apps
from deploy.doorman_client import DoormanClient
from deploy.first_person import Starter, admit_first_person
from deploy.node_programs import write_node_programs
from deploy.node_root import check_root, make_accounts, make_folders, make_root
from deploy.own_hosts import move_own_hosts, parse_domain
from deploy.ports import check_port
from deploy.process_record import end_left_overs, read_processes
from deploy.router import find_router
from deploy.services.embedded_postgres import refresh_embedded
from deploy.supervisor import Supervisor
from deploy.supervisor_watch import revive_supervisor, start_supervisor, was_killed
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.lock import LockBusy, hold_lock
from toppcloud.node import Node, open_node
from toppcloud.settings import NodeSettings, parse_address, parse_router, read_settings, write_settings
from toppcloud.unix import connect_unix

_UP_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 25.0
_LOCK_TIMEOUT_S = 90.0
_LEFT_OVERS_S = 5.0
_POLL_S = 0.02
_TRIES = 3
_LOG_BYTES = 8192


@dataclass(frozen=True)
class StartOptions:
    """What was asked for; None leaves a setting as it is."""

    ssh: str | None = None
    http: str | None = None
    router: str | None = None
    domain: str | None = None


def start_node(root: Path, options: StartOptions, starter: Starter, console: Console) -> bool:
    """Have the node in `root` run. Returns once SSH and HTTP answer; False when it ran already.

    Raises ToppcloudError, and then nothing of it is left running.
    """
    check_root(root)
    layout = Layout(root)
    settings = choose_settings(layout, options)
    accounts = make_accounts(settings)
    make_root(layout, accounts)
    with lock_node(layout, "starting the node"):
        is_same = layout.node_toml.exists() and settings == read_settings(layout.node_toml)
        was_running = Supervisor(layout, patience_s=0.0).is_running()
        if was_running or (is_same and was_killed(layout) and revive(layout, starter.path)):
            if starter.admin_key:  # a key counts at once, and who names one wants to come in
                admit_first_person(layout, starter, console)
            return not was_running
        make_folders(layout)
        end_left_overs(layout.pids, patience_s=_LEFT_OVERS_S)
        check_port("--ssh", settings.ssh, settings.ssh_address)
        check_port("--http", settings.http, settings.http_address)
        find_router(settings.router)
        move_own_hosts(layout, settings.domain)
        write_settings(layout.node_toml, settings)
        make_keys(layout, starter, console)
        node = open_node(root)
        refresh_embedded(layout)
        write_node_programs(node)
        try:
            clear_run(layout)
            start_supervisor(layout, starter.path)
            wait_until_up(layout)
            with logging_to(layout.program_log("start")):
                boot_apps(node, console)
            wait_until_answering(node)
        except BaseException:
            end_all(layout)
            raise
    return True


def revive(layout: Layout, path: str) -> bool:
    """Have a new supervisord take over what the killed one left running. False when that does not succeed."""
    try:
        revive_supervisor(layout, path)
        wait_until_up(layout)
    except ToppcloudError:
        return False
    return True


def stop_node(root: Path) -> bool:
    """Stop all of the node, apps too: requests under way get 10 s. Returns False when nothing ran."""
    layout = Layout(root)
    if not layout.node_toml.exists():
        return False
    with lock_node(layout, "stopping the node"):
        ran = Supervisor(layout, patience_s=0.0).is_running()
        left = end_all(layout)
    return ran or bool(left)


def choose_settings(layout: Layout, options: StartOptions) -> NodeSettings:
    """node.toml with the options put in, each checked."""
    given = {key: value for key, value in dataclasses.asdict(options).items() if value is not None}
    for address in (options.ssh, options.http):
        if address is not None:
            parse_address(address)
    if options.router is not None:
        parse_router(options.router)
    if options.domain is not None:
        given["domain"] = parse_domain(options.domain)
    settings = dataclasses.replace(read_settings(layout.node_toml), **given)
    if settings.ssh_address == settings.http_address:
        raise ToppcloudError("SSH and HTTP cannot share a port.", f"Both are {settings.ssh}.", "Choose another: --http")
    return settings


@contextlib.contextmanager
def lock_node(layout: Layout, doing: str) -> Iterator[None]:
    """One start or stop at a time."""
    try:
        with hold_lock(layout.node_lock, by="node", doing=doing, timeout_s=_LOCK_TIMEOUT_S):
            yield
    except LockBusy as busy:
        who = (
            f"process {busy.holder.pid} is {busy.holder.doing}" if busy.holder else "another process starts or stops it"
        )
        raise ToppcloudError("The node is being changed.", f"{who}.", "Try again in a moment.") from busy


def make_keys(layout: Layout, starter: Starter, console: Console) -> None:
    """The host's key, and somebody who may come in."""
    if not (layout.host_key.exists() and layout.host_key_pub.exists()):
        from deploy.ssh_keys import make_host_key  # asyncssh takes a fifth of a second to import

        make_host_key(layout.host_key)
    admit_first_person(layout, starter, console)


def clear_run(layout: Layout) -> None:
    """Sockets and pipes of a node that is gone."""
    for left in (*layout.run.glob("*.sock"), *layout.output_pipe("any").parent.iterdir()):
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """What an operator may want to read later goes to a file and not to the terminal."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    path.chmod(0o600)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def wait_until_up(layout: Layout) -> None:
    """Until supervisord and the doorman answer."""
    _wait_for(layout, Supervisor(layout).is_running, "supervisord")
    _wait_for(layout, lambda: _answers(DoormanClient(layout, patience_s=0.0).ping), "doorman")


def wait_until_answering(node: Node) -> None:
    """Until people can come in and visitors are served, for whatever they ask."""
    _wait_for(node.layout, lambda: ssh_answers(node.settings), "door")
    _wait_for(node.layout, lambda: _accepts(node.layout.sessions_socket), "sessions")
    _wait_for(node.layout, lambda: http_answers(node.settings), "router")


def ssh_answers(settings: NodeSettings) -> bool:
    """Whether the front door says what it is."""
    return _speaks(settings.ssh_address, b"", b"SSH-2.0-")


def http_answers(settings: NodeSettings) -> bool:
    """Whether the router answers a request, for whatever host."""
    request = b"GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
    return _speaks(settings.http_address, request, b"HTTP/1.1 ")


def end_all(layout: Layout) -> list[str]:
    """Stop what supervisord runs and supervisord, then whatever is left. Returns the names of what was left."""
    with contextlib.suppress(ToppcloudError):
        Supervisor(layout).shutdown()
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while _supervisor_lives(layout) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    return end_left_overs(layout.pids, patience_s=_LEFT_OVERS_S)


def _supervisor_lives(layout: Layout) -> bool:
    return any(record.is_alive for record in read_processes(layout.pids) if record.name == "supervisord")


def _wait_for(layout: Layout, is_there: Callable[[], bool], program: str) -> None:
    """Poll until `is_there`. Raises ToppcloudError, with the program's last lines, when it will not be."""
    deadline = time.monotonic() + _UP_TIMEOUT_S
    while not is_there():
        if time.monotonic() > deadline or _is_crashing(layout, program):
            raise ToppcloudError(
                f"The node's {program} does not come up.",
                "It is stopped again; nothing is left running.",
                f"Its output: {layout.program_log(program)}",
                reason=f"{program} does not come up",
                output=_last_lines(layout.program_log(program)),
            )
        time.sleep(_POLL_S)


def _is_crashing(layout: Layout, program: str) -> bool:
    with contextlib.suppress(ToppcloudError):
        state = Supervisor(layout).state(program)
        return state is not None and state.state == "BACKOFF" and state.spawns >= _TRIES
    return False


def _answers(call: Callable[[], None]) -> bool:
    try:
        call()
    except ToppcloudError:
        return False
    return True


def _speaks(address: tuple[str, int], request: bytes, expected: bytes) -> bool:
    try:
        with socket.create_connection(address, timeout=2.0) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(expected)
    except OSError:
        return False


def _accepts(path: Path) -> bool:
    try:
        connect_unix(path, timeout_s=2.0).close()
    except OSError:
        return False
    return True


def _last_lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_BYTES))
        return file.read().decode(errors="replace").splitlines()[-20:]
    return []
