import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.supervisor import Supervisor
from toppcloud.account import Account, find_account, this_account
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings, write_settings

SUPERVISORD = """
[supervisord]
nodaemon=true
logfile=log/supervisord.log
pidfile=run/supervisord.pid
[unix_http_server]
file=run/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[rpcinterface:toppcloud]
supervisor.rpcinterface_factory=deploy.supervisor_extension:make_interface
"""


@pytest.fixture(scope="session")
def postgres_node() -> Iterator[Node]:
    """A node of which nothing runs but supervisord; the database comes when it is asked for."""
    with make_node_folder() as node, run_supervisord(node):
        yield node


def make_node_folder(**settings: str) -> "NodeFolder":
    return NodeFolder(settings)


class NodeFolder:
    """A node's folder where other accounts can reach it, unlike pytest's own 0700 ones."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = NodeSettings(database_user="daemon", **settings)

    def __enter__(self) -> Node:
        self.root = Path(tempfile.mkdtemp(prefix="toppcloud test ;%s-"))
        self.root.chmod(0o755)
        layout = Layout(self.root)
        for folder in (layout.run, layout.log, layout.apps, layout.services):
            folder.mkdir()
        write_settings(layout.node_toml, self.settings)
        return Node(layout, self.settings, app_account())

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root)


class run_supervisord:
    def __init__(self, node: Node) -> None:
        self.node = node

    def __enter__(self) -> None:
        conf = self.node.layout.supervisor_conf
        conf.write_text(SUPERVISORD)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)],
            cwd=self.node.layout.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not Supervisor(self.node.layout).is_running():
            assert time.monotonic() < deadline, "supervisord does not answer"
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.wait(30)


def app_account() -> Account:
    if os.geteuid() != 0:
        return this_account()
    account = find_account("nobody")
    assert account
    return account
