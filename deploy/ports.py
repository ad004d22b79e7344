"""Whether the node can have its ports, and who has them if not."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from deploy.open_sockets import listen_tcp
from toppcloud.errors import ToppcloudError

_LISTENING = "0A"
_SHOWN = 80


@dataclass(frozen=True)
class PortHolder:
    """A process that listens on a port."""

    pid: int
    command: str
    """`python3 -m http.server 8080`"""


def check_port(option: str, address: str, parsed: tuple[str, int]) -> None:
    """Raise ToppcloudError unless the node can listen there. `option` is --ssh or --http."""
    host, port = parsed
    try:
        listen_tcp(parsed).close()
    except socket.gaierror as error:
        raise ToppcloudError(
            f"{address} is no address here.", str(error), f"Choose another: {option} HOST:PORT"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ToppcloudError(
                f"Port {port} of {host} is busy.",
                render_holder(find_port_holders(port)),
                f"Choose another: {option} {host}:PORT",
            ) from error
        why = "Ports below 1024 are root's." if error.errno == errno.EACCES else f"{error.strerror}."
        raise ToppcloudError(
            f"The node cannot listen on {address}.", why, f"Choose another: {option} HOST:PORT"
        ) from error


def render_holder(holders: list[PortHolder]) -> str:
    """`It is held by process 812 (python3 -m http.server).`"""
    if not holders:
        return "Another user's process holds it."
    names = ", ".join(f"process {holder.pid} ({_shorten(holder.command)})" for holder in holders)
    return f"It is held by {names}."


def _shorten(command: str) -> str:
    return command if len(command) <= _SHOWN else f"{command[: _SHOWN - 1]}…"


def find_port_holders(port: int) -> list[PortHolder]:
    """The processes that listen on that TCP port, as far as we may look. Source: proc(5), /proc/net/tcp."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    holders = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and wanted & _open_files(folder):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            holders.append(PortHolder(int(folder.name), command))
    return sorted(holders, key=lambda holder: holder.pid)


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _open_files(process: Path) -> set[str]:
    try:
        with os.scandir(process / "fd") as entries:
            return {os.readlink(entry.path) for entry in entries}  # noqa: PTH115 - thousands of them
    except OSError:
        return set()
