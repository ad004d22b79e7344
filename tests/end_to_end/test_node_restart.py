"""A node that was stopped, or whose machine went down, comes back with every app as it was."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.live_node import LiveNode, Repository
from deploy.doorman_client import DoormanClient
from deploy.live_start import find_live_key
from deploy.process_record import read_processes
from deploy.supervisor import Supervisor
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
AWAKE, ASLEEP, STOPPED, WORKING = "awake-app", "asleep-app", "stopped-app", "working-app"
STATES = {AWAKE: "awake", ASLEEP: "asleep", STOPPED: "stopped", WORKING: "asleep"}


@pytest.fixture
def own_node() -> Iterator[LiveNode]:
    live = LiveNode.in_new_folder()
    try:
        live.start()
        yield live
    finally:
        live.remove()


@pytest.fixture
def apps(own_node: LiveNode) -> dict[str, Repository]:
    sleeping_worker = {
        **plain_files(),
        "Procfile": "web: gunicorn app:app\nworker: sleep 1000\n",
        "toppcloud.toml": '[web]\nsleeps_with = ["worker"]\n',
    }
    made = {name: own_node.repository(name, sleeping_worker if name == WORKING else plain_files()) for name in STATES}
    for name, repository in made.items():
        assert repository.push().status == 0
        if STATES[name] != "awake":
            said = repository.toppcloud("ps:sleep" if STATES[name] == "asleep" else "ps:stop")
            assert said.status == 0, said.all
    return made


def test_every_app_is_as_it_was_after_stop_and_start(own_node: LiveNode, apps: dict[str, Repository]) -> None:
    assert states(own_node) == STATES
    before = {name: find_live_key(own_node.layout, name) for name in apps}
    own_node.stop()
    own_node.start()
    wait_until(lambda: states(own_node) == STATES)
    assert {name: find_live_key(own_node.layout, name) == key for name, key in before.items()} == {
        AWAKE: False,  # it has a new start
        ASLEEP: True,
        STOPPED: True,
        WORKING: True,
    }
    assert Supervisor(own_node.layout).states(prefix=f"{WORKING}.") == {}
    check_that_all_serve(own_node, apps)


def test_every_app_is_there_after_all_processes_died_at_once(own_node: LiveNode, apps: dict[str, Repository]) -> None:
    records = read_processes(own_node.layout.pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for record in records:
            os.killpg(record.pid, number) if record.name != "supervisord" else os.kill(record.pid, number)
    wait_until(lambda: not any(record.is_alive for record in records))
    own_node.start()
    wait_until(lambda: states(own_node) == STATES)
    check_that_all_serve(own_node, apps)


def test_app_that_slept_while_toppcloud_was_replaced_wakes_from_new_files(
    own_node: LiveNode, apps: dict[str, Repository]
) -> None:
    before = find_live_key(own_node.layout, ASLEEP)
    assert before
    own_node.stop()
    before.layout(own_node.layout).asleep.write_text("toppcloud 0.0.1 /elsewhere /usr/bin/python")
    before.layout(own_node.layout).program("web.1").write_text("[program:gone]\ncommand=/elsewhere/python\n")
    own_node.start()
    assert states(own_node)[ASLEEP] == "asleep"
    assert find_live_key(own_node.layout, ASLEEP) != before
    assert not before.layout(own_node.layout).folder.exists()
    check_that_all_serve(own_node, apps)


def check_that_all_serve(node: LiveNode, apps: dict[str, Repository]) -> None:
    assert {name: node.request(name).text[:3] for name in apps if name != STOPPED} == dict.fromkeys(
        (AWAKE, ASLEEP, WORKING), "one"
    )
    assert node.request(STOPPED).status == 503
    assert len(Supervisor(node.layout).states(prefix=f"{WORKING}.worker.")) == 1
    assert apps[STOPPED].toppcloud("ps:start").status == 0
    assert node.request(STOPPED).text.startswith("one")


def states(node: LiveNode) -> dict[str, str]:
    return {app: door.state for app, door in DoormanClient(node.layout).states().items()}


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
