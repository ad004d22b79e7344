"""Who listens where, asked of the kernel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from deploy.listeners import Listener, find_all_listeners, find_listeners

LISTEN = "import socket, sys, time; s = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2])); "
SAY = "print(s.getsockname()[1], flush=True); time.sleep(100)"


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("127.0.0.1", False),
        ("127.3.2.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("10.0.0.5", True),
        ("::ffff:10.0.0.5", True),
    ],
)
def test_only_loopback_is_closed_to_other_machines(address: str, is_open: bool) -> None:
    assert Listener(address, 80).is_open is is_open


@pytest.mark.parametrize(("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_child_of_a_childs_listener_is_the_leaders_and_nobody_elses(address: str, family: int) -> None:
    argv = ["/bin/sh", "-c", '"$@" & wait', "sh", sys.executable, "-c", LISTEN + SAY, address, str(int(family))]
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, process_group=0) as leader,
        subprocess.Popen(["sleep", "100"]) as other,
    ):
        assert leader.stdout
        port = int(leader.stdout.readline())
        found = find_all_listeners([leader.pid, other.pid])
        os.killpg(leader.pid, 15)
        other.kill()
    assert found == {leader.pid: [Listener(address, port)], other.pid: []}


def test_who_is_gone_listens_nowhere() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert find_listeners(gone.pid) == []
