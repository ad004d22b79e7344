"""The front door: SSH for people and for git. It knows keys and channels; what a command means, workers know.

    python -I -m receiver.door --root ROOT
One user name, public keys from people/ alone; no shell, no forwarding of anything, no sftp.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import asyncssh

from receiver.channel import Channel
from receiver.people import find_person
from receiver.remote import USER
from toppcloud import __version__
from toppcloud.layout import Layout
from toppcloud.node import open_node
from toppcloud.settings import NodeSettings

LOGIN_TIMEOUT_S = 30
HURRY_S = 0.002
KEEPALIVE_S = 15
MOST_CONNECTIONS = 300
MOST_SESSIONS = 200
MOST_SESSIONS_PER_CONNECTION = 16
WINDOW_BYTES = 8 * 1024 * 1024
_log = logging.getLogger("receiver.door")


@dataclass
class Crowd:
    """How many are here now."""

    connections: int = 0
    sessions: int = 0


class Visitor(asyncssh.SSHServer):
    """One connection. asyncssh asks it who may come in and what they may open; all that is not here is refused."""

    def __init__(self, layout: Layout, crowd: Crowd) -> None:
        self._layout = layout
        self._crowd = crowd
        self._sessions = 0
        self._offered: bytes | None = None
        self._key: bytes | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._crowd.connections += 1
        if self._crowd.connections > MOST_CONNECTIONS:
            _log.warning("too many connections: limit=%d", MOST_CONNECTIONS)
            conn.abort()
        self._connection = conn
        self._hurry(asyncio.get_running_loop().time() + LOGIN_TIMEOUT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.connections -= 1

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Asked for each key that the client offers; with a signature too, which asyncssh checks right afterwards."""
        self._offered = key.public_data
        return username == USER and find_person(self._layout, key.public_data) is not None

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> NoReturn:
        """Nothing is forwarded. (asyncssh's own refusal says that the connection was tried.)"""
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Nothing is forwarded here")

    def auth_completed(self) -> None:
        """The key offered last is the one whose signature was good: asyncssh checks one at a time."""
        self._key = self._offered

    def session_requested(self) -> Channel | bool:
        """A channel, for the person whose key still lies in people/."""
        person = find_person(self._layout, self._key) if self._key else None
        if person is None or self._sessions >= MOST_SESSIONS_PER_CONNECTION or self._crowd.sessions >= MOST_SESSIONS:
            _log.warning("session refused: person=%s sessions=%d", person, self._crowd.sessions)
            return False
        self._sessions += 1
        self._crowd.sessions += 1
        return Channel(self._layout, person, self._end_session)

    def _hurry(self, until: float) -> None:
        """Acknowledge at once what came, every few ms during the login.

        ssh clients send the steps of a login under Nagle's algorithm, and the kernel delays acknowledgements by 40 ms:
        both together make a login five times as long. TCP_QUICKACK holds for a moment only, hence again and again.
        """
        connection: socket.socket | None = self._connection.get_extra_info("socket")
        loop = asyncio.get_running_loop()
        if connection is not None and not self._key and loop.time() < until and connection.fileno() >= 0:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            loop.call_later(HURRY_S, self._hurry, until)

    def _end_session(self) -> None:
        self._sessions -= 1
        self._crowd.sessions -= 1


async def serve(layout: Layout, settings: NodeSettings) -> None:
    """Listen until SIGTERM or SIGINT."""
    crowd = Crowd()
    host, port = settings.ssh_address
    acceptor = await asyncssh.listen(
        host,
        port,
        server_factory=lambda: Visitor(layout, crowd),
        server_host_keys=[str(layout.host_key)],
        server_version=f"toppcloud_{__version__}",
        reuse_address=True,
        backlog=512,
        login_timeout=LOGIN_TIMEOUT_S,
        keepalive_interval=KEEPALIVE_S,
        keepalive_count_max=4,
        encoding=None,
        line_editor=False,
        window=WINDOW_BYTES,
        encryption_algs=_ENCRYPTION,
        compression_algs=["none"],
        agent_forwarding=False,
        x11_forwarding=False,
        allow_scp=False,
        sftp_factory=None,
        gss_host=None,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    _log.info("ready: address=%s:%d", host, port)
    await stopped.wait()
    acceptor.close()


# AES-GCM is three times as fast as ChaCha20 here; CTR is for clients without it.
_ENCRYPTION = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr"]


def main(words: list[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="receiver.door")
    parser.add_argument("--root", type=Path, required=True)
    root: Path = parser.parse_args(words).root
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # its INFO lines hold whole commands, secrets included
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard) if hard != resource.RLIM_INFINITY else (soft, hard))
    node = open_node(root)
    asyncio.run(serve(node.layout, node.settings))


if __name__ == "__main__":
    main()
