"""An app sleeps when nobody visits it, wakes for whoever comes, and says so when it cannot."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from deploy.connections import count_connections
from deploy.sleep import mark_asleep
from toppcloud.errors import ToppcloudError
from toppcloud.unix import connect_unix

pytestmark = pytest.mark.node
GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_sleeping_app_has_no_process_and_wakes_for_its_first_visitor(tiny_node, make_app, until):
    app = make_app(tiny_node, "sleeper")
    app.go_live(1)
    app.wait_until_up("v1.1")
    tiny_node.doorman.sleep("sleeper")
    assert app.state() == "asleep"
    assert tiny_node.supervisor.states("sleeper.") == {}
    assert tiny_node.get(app.host).text == "v1.1"
    until(lambda: app.state() == "awake")


def test_unvisited_app_falls_asleep_by_itself_and_a_visited_one_does_not(tiny_node, make_app, until):
    quiet, visited = make_app(tiny_node, "quiet"), make_app(tiny_node, "visited")
    for app in (quiet, visited):
        app.set_idle("1s")
        app.go_live(1)
        app.wait_until_up("v1.1")
    pid = tiny_node.pid("visited.web.1.v1.1")

    def visit_until_the_other_sleeps():
        assert tiny_node.get(visited.host).text == "v1.1"
        return quiet.state() == "asleep"

    until(visit_until_the_other_sleeps)
    assert tiny_node.pid("visited.web.1.v1.1") == pid


def test_app_that_never_sleeps_by_its_setting_or_its_worker_stays_awake(tiny_node, make_app, until):
    never, other = make_app(tiny_node, "never"), make_app(tiny_node, "other")
    for app, idle in ((never, "never"), (other, "1s")):
        app.set_idle(idle)
        app.go_live(1)
        app.wait_until_up("v1.1")
    until(lambda: other.state() == "asleep")
    assert never.state() == "awake"


def test_open_websocket_keeps_an_app_awake(tiny_node, make_app, until):
    app, other = make_app(tiny_node, "socket"), make_app(tiny_node, "beside")
    for one in (app, other):
        one.set_idle("1s")
        one.go_live(1)
        one.wait_until_up("v1.1")
    with tiny_node.connect() as connection:
        connection.sendall(
            b"GET /upgrade HTTP/1.1\r\nHost: socket.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
        until(lambda: other.state() == "asleep")
        with pytest.raises(ToppcloudError) as refusal:
            tiny_node.doorman.sleep("socket")
        assert "1 open connection" in refusal.value.why
        connection.sendall(b"still there")
        assert connection.recv(4096) == b"STILL THERE"
    until(lambda: app.state() == "asleep")


@pytest.mark.parametrize("words", [("v1.1",), ("v1.1", "--abrupt")])
def test_sleeps_under_traffic_lose_no_request_however_the_program_ends(tiny_node, make_app, make_traffic, words):
    app = make_app(tiny_node, f"restless-{'ab'[len(words) - 1] * 2}")
    app.go_live(1, words=words)
    app.wait_until_up("v1.1")
    with make_traffic(tiny_node, app.host) as traffic:
        for _ in range(10):
            tiny_node.doorman.sleep(app.name)
            traffic.wait_for(10)
    assert traffic.failures == []


def test_sleep_that_is_given_up_serves_those_who_came_meanwhile(tiny_node, make_app, until):
    app = make_app(tiny_node, "given-up")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    until(lambda: app.state() == "awake")
    pid = tiny_node.pid("given-up.web.1.v1.1")
    with connect_unix(key.layout(tiny_node.layout).socket, timeout_s=30) as long_poll:
        until(lambda: count_connections(tiny_node.layout, key).accepted == 1)
        refusals: list[str] = []

        def try_to_sleep():
            with pytest.raises(ToppcloudError) as refusal:
                tiny_node.doorman.sleep("given-up")
            refusals.append(refusal.value.why)

        trying = threading.Thread(target=try_to_sleep)
        trying.start()
        served = 0
        while trying.is_alive():
            assert tiny_node.get(app.host).text == "v1.1"
            served += 1
        trying.join()
        assert "open connection" in refusals[0]
        assert served > 0
        long_poll.sendall(GET)
        assert long_poll.makefile("rb").read().endswith(b"v1.1")
    assert tiny_node.pid("given-up.web.1.v1.1") == pid
    assert app.state() == "awake"


@pytest.mark.parametrize("victims", [("doorman",), ("holder",), ("doorman", "holder")])
def test_sleeping_app_wakes_after_the_death_of(tiny_node, make_app, until, victims):
    app = make_app(tiny_node, f"after-{'-'.join(victims)}")
    app.go_live(1)
    app.wait_until_up("v1.1")
    tiny_node.doorman.sleep(app.name)
    tiny_node.kill_together(*victims)
    until(lambda: tiny_node.supervisor.state(victims[0]).is_running)
    if len(victims) == 2:
        until(lambda: _accepts(app))  # nobody held the socket for a moment
    assert tiny_node.get(app.host).text == "v1.1"


@pytest.mark.parametrize("is_told", [False, True])
def test_app_that_a_killed_doorman_left_half_asleep_wakes_whole(tiny_node, make_app, until, is_told):
    app = make_app(tiny_node, f"half-asleep-{'abc'[is_told]}")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    program = f"{app.name}.web.1.v1.1"
    mark_asleep(key.layout(tiny_node.layout))
    if is_told:
        tiny_node.supervisor.stop(program, wait=False)
    tiny_node.kill("doorman")
    assert tiny_node.get(app.host).text == "v1.1"
    until(tiny_node.is_attended)
    until(lambda: app.state() == "awake")
    assert not key.layout(tiny_node.layout).asleep.exists()


def test_sleeping_app_is_not_waked_by_the_death_of_the_doorman(tiny_node, make_app, until):
    app = make_app(tiny_node, "sleeps-on")
    app.go_live(1)
    app.wait_until_up("v1.1")
    tiny_node.doorman.sleep(app.name)
    tiny_node.kill("doorman")
    until(tiny_node.is_attended)
    assert app.state() == "asleep"
    assert tiny_node.supervisor.states(f"{app.name}.") == {}


def test_many_that_wake_at_once_are_all_served(tiny_node, make_app):
    apps = [make_app(tiny_node, f"many-{letter * 3}") for letter in "abcdef"]
    for app in apps:
        app.go_live(1)
        app.wait_until_up("v1.1")
        tiny_node.doorman.sleep(app.name)
    answers: list[str] = []
    visits = [threading.Thread(target=lambda app=app: answers.append(tiny_node.get(app.host).text)) for app in apps]
    for visit in visits:
        visit.start()
    for visit in visits:
        visit.join()
    assert answers == ["v1.1"] * len(apps)


def test_cutover_from_a_sleeping_release_serves_the_new_one(tiny_node, make_app, until):
    app = make_app(tiny_node, "changed")
    old = app.go_live(1)
    app.wait_until_up("v1.1")
    tiny_node.doorman.sleep("changed")
    app.go_live(2)
    app.retire(old)
    app.wait_until_up("v2.1")
    until(lambda: not old.layout(tiny_node.layout).folder.exists())
    assert set(tiny_node.supervisor.states("changed.")) == {"changed.web.1.v2.1"}


def test_crash_loop_is_answered_with_503_until_a_try_succeeds(tiny_node, make_app, until):
    app = make_app(tiny_node, "crashing")
    gate = tiny_node.layout.app("crashing").folder
    app.go_live(1, argv=["/bin/sh", "-c", f"test -e {gate}/open || exit 3; exec sleep 1000"])
    until(lambda: app.state() == "unwell")
    answer = tiny_node.get(app.host)
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    door = tiny_node.doorman.states()["crashing"]
    assert "crashes" in door.why
    assert door.next_try > time.time() - 60


def test_app_that_accepts_nobody_within_its_boot_limit_is_answered_for_and_served_once_it_does(
    tiny_node, make_app, until
):
    app = make_app(tiny_node, "slowpoke")
    source = tiny_node.layout.app("slowpoke").release(1).source
    wait = f"while ! test -e {source}/open; do sleep 0.05; done"
    line = f"{wait}; export LISTEN_PID=$$; exec /usr/bin/python3 -S {source}/tiny_server.py up"
    app.go_live(1, argv=["/bin/sh", "-c", line])
    answer = tiny_node.get(app.host)
    assert answer.status == 503
    assert app.state() == "unwell"
    (source / "open").touch()
    until(lambda: tiny_node.get(app.host).text == "up")
    until(lambda: app.state() == "awake")


def test_app_brings_its_own_503_page(tiny_node, make_app):
    app = make_app(tiny_node, "own-page")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    key.layout(tiny_node.layout).page.write_text("<p>We are baking.</p>")
    tiny_node.supervisor.stop("own-page.web.1.v1.1")
    tiny_node.doorman.answer("own-page", 1, 1, status=503)
    answer = tiny_node.get(app.host)
    assert (answer.status, answer.text) == (503, "<p>We are baking.</p>")


def test_crashed_web_process_serves_those_who_waited(tiny_node, make_app, until):
    app = make_app(tiny_node, "phoenix")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    until(lambda: app.state() == "awake")  # nobody but the visitors is to wait there
    pid = tiny_node.pid("phoenix.web.1.v1.1")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: {stat.read_text().split()[2] for stat in Path(f"/proc/{pid}/task").glob("*/stat")} == {"T"})
    waiting = [connect_unix(key.layout(tiny_node.layout).socket, timeout_s=20) for _ in range(3)]
    for connection in waiting:
        connection.sendall(GET)
    assert count_connections(tiny_node.layout, key).waiting == 3
    os.kill(pid, signal.SIGKILL)
    assert [connection.makefile("rb").read().endswith(b"v1.1") for connection in waiting] == [True] * 3


def _accepts(app) -> bool:
    try:
        connect_unix(app.tiny.layout.app(app.name).release(1).web_sock).close()
    except OSError:
        return False
    return True


def test_connection_that_the_doorman_answers_is_not_taken_for_a_served_one(tiny_node, make_app, until):
    """An app that hangs after a crash loop stays unwell, whoever is still being told so."""
    app = make_app(tiny_node, "hanging")
    folder = tiny_node.layout.app("hanging").folder
    key = app.go_live(1, argv=["/bin/sh", "-c", f"test -e {folder}/hang || exit 3; exec sleep 1000"])
    until(lambda: app.state() == "unwell")
    with connect_unix(key.layout(tiny_node.layout).socket, timeout_s=20) as silent:
        until(lambda: count_connections(tiny_node.layout, key).accepted == 1)
        (folder / "hang").touch()
        until(lambda: tiny_node.doorman.states()["hanging"].state == "waking")
        until(lambda: tiny_node.doorman.states()["hanging"].state == "unwell")
        assert "accepts nobody" in tiny_node.doorman.states()["hanging"].why
        silent.close()
    assert tiny_node.get(app.host).status == 503


def test_app_that_accepts_late_is_seen_to_without_a_visitor(tiny_node, make_app, until):
    app = make_app(tiny_node, "latecomer")
    source = tiny_node.layout.app("latecomer").release(1).source
    wait = f"while ! test -e {source}/open; do sleep 0.05; done"
    line = f"{wait}; export LISTEN_PID=$$; exec /usr/bin/python3 -S {source}/tiny_server.py up"
    app.go_live(1, argv=["/bin/sh", "-c", line])
    until(lambda: app.state() == "unwell")
    (source / "open").touch()
    until(lambda: app.state() == "awake")


def test_program_that_somebody_else_stopped_is_waked_by_a_visitor(tiny_node, make_app, until):
    app = make_app(tiny_node, "stopped-by-hand")
    app.go_live(1)
    app.wait_until_up("v1.1")
    until(lambda: app.state() == "awake")
    tiny_node.supervisor.stop("stopped-by-hand.web.1.v1.1")
    until(lambda: app.state() == "asleep")
    assert tiny_node.get(app.host).text == "v1.1"
