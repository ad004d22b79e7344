"""Whatever dies, no request is lost."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from deploy.holder_client import HolderClient
from deploy.process_record import read_start_time
from deploy.start_key import StartKey
from toppcloud.errors import ToppcloudError
from toppcloud.unix import connect_unix

pytestmark = pytest.mark.node


def test_cutovers_under_traffic_lose_no_request(tiny_node, make_app, make_traffic, until):
    app = make_app(tiny_node, "cutover")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    with make_traffic(tiny_node, app.host) as traffic:
        for release in (2, 3, 4):
            before, key = key, app.go_live(release)
            app.retire(before)
            until(lambda before=before: not before.layout(tiny_node.layout).folder.exists())
            traffic.wait_for(20)
    assert traffic.failures == []
    assert set(tiny_node.supervisor.states("cutover.")) == {"cutover.web.1.v4.1"}
    assert not StartKey("cutover", 3, 1).layout(tiny_node.layout).folder.exists()


@pytest.mark.parametrize("victim", ["doorman", "holder", "logger"])
def test_killed_daemon_under_traffic_loses_no_request(tiny_node, make_app, make_traffic, until, victim):
    app = make_app(tiny_node, f"victim-{victim}")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    with make_traffic(tiny_node, app.host) as traffic:
        for _ in range(3):
            tiny_node.kill(victim)
            traffic.wait_for(10)
        until(tiny_node.is_attended)
        after = app.go_live(2)
        app.retire(key)
        until(lambda: not key.layout(tiny_node.layout).folder.exists())
        traffic.wait_for(10)
    assert traffic.failures == []
    assert after.layout(tiny_node.layout).socket.is_socket()


def test_killed_web_process_after_killed_holder_and_doorman_serves_those_who_waited(tiny_node, make_app, until):
    app = make_app(tiny_node, "waiters")
    app.go_live(1)
    app.wait_until_up("v1.1")
    tiny_node.kill("holder")
    until(lambda: "waiters/1/1" in _held(tiny_node))
    tiny_node.kill("doorman")
    until(tiny_node.is_attended)
    kill_web(tiny_node, "waiters.web.1.v1.1")
    assert [tiny_node.get(app.host).text for _ in range(5)] == ["v1.1"] * 5


def test_doorman_and_holder_killed_together_mend_themselves(tiny_node, make_app, until):
    app = make_app(tiny_node, "together")
    app.go_live(1)
    app.wait_until_up("v1.1")
    tiny_node.kill_together("holder", "doorman")
    until(tiny_node.is_attended)
    until(lambda: tiny_node.supervisor.state("together.web.1.v1.1").spawns == 2)
    assert tiny_node.get(app.host).text == "v1.1"
    kill_web(tiny_node, "together.web.1.v1.1")
    assert tiny_node.get(app.host).text == "v1.1"


def test_crashing_app_is_answered_for_and_comes_back_when_doorman_and_holder_died(tiny_node, make_app, until):
    app = make_app(tiny_node, "crashing-lost")
    app.go_live(1, argv=["/bin/sh", "-c", "test -e works || exit 3; exec /usr/bin/python3 -S tiny_server.py fine"])
    until(lambda: app.state() == "unwell")
    tiny_node.kill_together("doorman", "holder")
    until(lambda: tiny_node.is_attended() and "crashing-lost" in tiny_node.doorman.states())
    until(lambda: tiny_node.get(app.host).status == 503)
    (StartKey(app.name, 1, 1).release_layout(tiny_node.layout).source / "works").touch()
    app.wait_until_up("fine")


def test_calls_wait_for_the_next_doorman(tiny_node, make_app, until):
    app = make_app(tiny_node, "patient")
    before = app.go_live(1)
    app.wait_until_up("v1.1")
    for release in (2, 3, 4):
        os.kill(tiny_node.pid("doorman"), signal.SIGKILL)
        key = app.go_live(release)
        os.kill(tiny_node.pid("doorman"), signal.SIGKILL)
        app.retire(before)
        before = key
    app.wait_until_up("v4.1")
    tiny_node.doorman.sleep(app.name)
    assert app.state() == "asleep"


def test_connections_that_queue_at_a_retired_start_are_served_by_the_live_one(tiny_node, make_app, until):
    app = make_app(tiny_node, "queue")
    old = app.go_live(1)
    app.wait_until_up("v1.1")
    app.go_live(2)
    tiny_node.supervisor.stop("queue.web.1.v1.1")
    queued = [connect_unix(old.layout(tiny_node.layout).socket, timeout_s=10) for _ in range(5)]
    for connection in queued:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    app.retire(old)
    for connection in queued:
        assert connection.makefile("rb").read().endswith(b"v2.1")
        connection.close()
    until(lambda: not old.layout(tiny_node.layout).folder.exists())


def test_request_under_way_on_a_retired_start_ends_well(tiny_node, make_app):
    app = make_app(tiny_node, "drain")
    old = app.go_live(1)
    app.wait_until_up("v1.1")
    answers = []
    visitor = threading.Thread(target=lambda: answers.append(tiny_node.get(app.host, "/slow").text))
    visitor.start()
    app.go_live(2)
    app.retire(old)
    visitor.join()
    assert answers[0] in ("v1.1", "v2.1")
    app.wait_until_up("v2.1")


def test_retirement_goes_on_after_the_doorman_was_killed(tiny_node, make_app, until):
    app = make_app(tiny_node, "goes-on")
    old = app.go_live(1)
    app.wait_until_up("v1.1")
    app.go_live(2)
    app.retire(old)
    tiny_node.kill("doorman")
    until(lambda: not old.layout(tiny_node.layout).folder.exists())
    assert tiny_node.supervisor.state("goes-on.web.1.v1.1") is None
    assert tiny_node.get(app.host).text == "v2.1"


def test_stopped_app_answers_503_also_after_the_doorman_was_killed(tiny_node, make_app, until):
    app = make_app(tiny_node, "stopped")
    app.go_live(1)
    app.wait_until_up("v1.1")
    tiny_node.supervisor.stop("stopped.web.1.v1.1")
    tiny_node.doorman.answer("stopped", 1, 1, status=503)
    for _ in range(2):
        for method, body in (("GET", None), ("POST", b"x" * 200_000)):
            answer = tiny_node.get(app.host, method=method, body=body)
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "not running" in answer.text
        tiny_node.kill("doorman")
        until(tiny_node.is_attended)


def test_opening_again_keeps_the_socket_and_closing_removes_it(tiny_node, make_app):
    app = make_app(tiny_node, "opener")
    key = StartKey("opener", 1, 1)
    app.render(key)
    tiny_node.doorman.open_socket("opener", 1, 1)
    path = key.layout(tiny_node.layout).socket
    inode = path.stat().st_ino
    waiting = connect_unix(path)
    tiny_node.doorman.open_socket("opener", 1, 1)
    assert path.stat().st_ino == inode
    tiny_node.doorman.close("opener", 1, 1)
    assert not path.exists()
    with pytest.raises(ConnectionResetError):
        waiting.recv(1)
    tiny_node.doorman.close("opener", 1, 1)


def test_start_without_a_folder_is_refused(tiny_node):
    with pytest.raises(ToppcloudError, match="no start"):
        tiny_node.doorman.open_socket("nobody", 1, 1)


def test_socket_whose_path_was_replaced_is_opened_anew(tiny_node, make_app, until):
    app = make_app(tiny_node, "replaced")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    path = key.layout(tiny_node.layout).socket
    path.unlink()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
    tiny_node.doorman.open_socket("replaced", 1, 1)
    tiny_node.supervisor.stop("replaced.web.1.v1.1")
    tiny_node.supervisor.start("replaced.web.1.v1.1")
    assert tiny_node.get(app.host).text == "v1.1"


def kill_web(tiny_node, program):
    """kill -9; what it was in the middle of may fail, so wait until it is dead."""
    pid = tiny_node.pid(program)
    os.kill(pid, signal.SIGKILL)
    while read_start_time(pid) is not None:
        pass


def _held(tiny_node):
    try:
        return HolderClient(tiny_node.layout).names()
    except OSError:
        return {}
