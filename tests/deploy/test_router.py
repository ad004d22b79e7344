"""What each router makes of host names, headers, upgrades and apps that do not answer."""

from __future__ import annotations

import os
import signal
import time

import pytest

from toppcloud.files import swap_symlink

pytestmark = pytest.mark.node
ROUNDS = 300


@pytest.fixture(scope="module")
def blog(routed_node, make_module_app):
    """An app that is live."""
    app = make_module_app(routed_node, "blog")
    gate = routed_node.root / "cache" / "gate"
    gate.mkdir(mode=0o755)
    app.go_live(1, env={"GATE": str(gate)})
    app.wait_until_up("v1.1")
    return app


@pytest.mark.parametrize(
    "host", ["blog.localhost", "BLOG.LocalHost", "blog.localhost.", "blog.localhost:8080", "Blog.localhost.:80"]
)
def test_host_is_found_however_it_is_spelled(routed_node, blog, host):
    answer = routed_node.get(host, "/headers")
    assert answer.status == 200
    assert answer.json["host"] == host


def test_wildcard_route_serves_names_below_it(routed_node, blog):
    swap_symlink(routed_node.layout.route("*.shop.example.com"), "../apps/blog")
    assert routed_node.get("any.shop.example.com").text == "v1.1"
    assert routed_node.get("ANY.Shop.example.com.").text == "v1.1"
    assert routed_node.get("shop.example.com").status == 404
    assert routed_node.get("two.levels.shop.example.com").status == 404


def test_exact_route_beats_wildcard(routed_node, blog, make_module_app):
    other = make_module_app(routed_node, "other")
    other.go_live(7)
    swap_symlink(routed_node.layout.route("*.mixed.example.com"), "../apps/blog")
    swap_symlink(routed_node.layout.route("one.mixed.example.com"), "../apps/other")
    assert routed_node.get("one.mixed.example.com").text == "v7.1"
    assert routed_node.get("two.mixed.example.com").text == "v1.1"


@pytest.mark.parametrize("host", ["nobody.localhost", "_.localhost", "apps", "run", "_", "[::1]"])
def test_unknown_host_gets_a_page_that_people_can_read(routed_node, blog, host):
    answer = routed_node.get(host)
    assert answer.status == 404
    assert "no app at this address" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("host", ["..", ".", "blog.localhost..x"])
def test_host_that_no_name_can_be_leads_nowhere(routed_node, blog, host):
    assert routed_node.get(host).status in (400, 404)  # nginx calls it a bad request


@pytest.mark.parametrize("host", ["../", "blog.localhost/current", "../apps/blog", ""])
def test_host_with_a_slash_or_nothing_is_a_bad_request(routed_node, blog, host):
    assert routed_node.get(host).status == 400


def test_upgrade_to_http_2_does_not_pass_the_router_by(routed_node, blog):
    for word in ("h2c", "H2C", "websocket, h2c"):
        seen = routed_node.get("blog.localhost", "/headers", Upgrade=word, Connection="Upgrade, HTTP2-Settings").json
        assert "upgrade" not in {name.lower() for name in seen}


def test_what_only_a_router_may_say_is_overwritten(routed_node, blog):
    forged = {
        "X_Forwarded_For": "6.6.6.6",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Port": "443",
        "X_Forwarded_Host": "evil.example.com",
        "Forwarded": "for=6.6.6.6",
        "X_Toppcloud_Route": "other.localhost",
        "X_Forwarded_Ssl": "on",
        "X_Forwarded_Prefix": "/evil",
        "X_Real_Ip": "6.6.6.6",
    }
    seen = routed_node.get("blog.localhost", "/headers", **forged).json
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-port"] == str(routed_node.http_port)
    assert seen["x-forwarded-host"] == "blog.localhost"
    assert not {"x-forwarded-ssl", "x-forwarded-prefix", "x-real-ip"} & {name.lower() for name in seen}
    assert not {"forwarded", "x-toppcloud-route"} & set(seen)


def test_headers_that_gunicorn_would_believe_are_dropped(routed_node, blog):
    forged = b"SCRIPT_NAME: /x\r\nPath_Info: /y\r\n"
    request = b"GET /headers HTTP/1.1\r\nHost: blog.localhost\r\n" + forged + b"Connection: close\r\n\r\n"
    with routed_node.connect() as connection:
        connection.sendall(request)
        text = connection.makefile("rb").read().lower()
    assert b"200 ok" in text
    assert b"script_name" not in text
    assert b"path_info" not in text


def test_upgrade_passes_both_ways(routed_node, blog):
    request = b"GET /upgrade HTTP/1.1\r\nHost: blog.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with routed_node.connect() as connection:
        connection.sendall(request)
        stream = connection.makefile("rb")
        assert b"101" in stream.readline()
        while stream.readline() != b"\r\n":
            pass
        for word in (b"one", b"two"):
            connection.sendall(word)
            assert stream.read(len(word)) == word.upper()


def test_stream_arrives_piece_by_piece(routed_node, blog):
    request = b"GET /stream HTTP/1.1\r\nHost: blog.localhost\r\nConnection: close\r\n\r\n"
    with routed_node.connect() as connection:
        connection.sendall(request)
        stream = connection.makefile("rb")
        while b"first" not in stream.readline():
            pass
        (routed_node.root / "cache" / "gate" / "open").touch()
        assert b"last" in stream.read()


def test_large_bodies_pass(routed_node, blog):
    body = b"x" * 3_000_000
    assert len(routed_node.get("blog.localhost", method="POST", body=body).text) == len(body) + len("v1.1:")


def test_answer_to_a_body_that_the_app_did_not_read_is_whole(routed_node, blog):
    request = b"POST /unread HTTP/1.1\r\nHost: blog.localhost\r\nContent-Length: 3\r\n\r\nx=1"
    with routed_node.connect() as connection:
        stream = connection.makefile("rb")
        for _ in range(ROUNDS):
            connection.sendall(request)
            assert b"200" in stream.readline()
            while stream.readline() != b"\r\n":
                pass
            assert stream.read(16) == b"6\r\nunread\r\n0\r\n\r\n"


def test_path_with_dots_leads_out_of_nothing(routed_node, blog):
    answer = routed_node.get("blog.localhost", "/../../etc/passwd")
    assert (answer.status, answer.text) == (200, "v1.1") or answer.status == 400  # nginx calls it a bad request


def test_kept_connection_follows_the_live_release(routed_node, blog, make_module_app, make_traffic):
    app = make_module_app(routed_node, "moves")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    with make_traffic(routed_node, app.host) as traffic:
        after = app.go_live(2)
        traffic.wait_for(30)
        app.activate(key)
        traffic.wait_for(30)
        app.activate(after)
    assert traffic.failures == []
    assert routed_node.get(app.host).text == "v2.1"


def test_app_that_does_not_listen_gets_a_page_and_a_time_to_retry(routed_node, blog, make_module_app):
    app = make_module_app(routed_node, "silent")
    key = app.go_live(1)
    key.layout(routed_node.layout).socket.unlink()
    answer = routed_node.get(app.host)
    assert answer.status in (502, 503)
    assert "does not answer" in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_post_to_a_worker_that_dies_is_not_sent_twice(routed_node, blog, make_module_app, until):
    app = make_module_app(routed_node, "dies")
    app.go_live(1)
    app.wait_until_up("v1.1")
    answer = routed_node.get(app.host, "/die", method="POST", body=b"x")
    assert answer.status == 502
    until(lambda: routed_node.supervisor.state("dies.web.1.v1.1").spawns == 2)
    app.wait_until_up("v1.1")
    assert routed_node.supervisor.state("dies.web.1.v1.1").spawns == 2


def test_killed_router_comes_back_on_the_same_socket(routed_node, blog):
    with routed_node.connect():
        routed_node.kill("router")
    assert routed_node.get("blog.localhost").text == "v1.1"


def test_killed_router_loses_only_what_is_inside_it(routed_node, blog, make_traffic):
    with make_traffic(routed_node, blog.host) as traffic:
        for _ in range(3):
            routed_node.kill("router")
            served = traffic.served
            wait_until_served(traffic, served + 20)
    assert len(traffic.failures) <= 3 * 3, "three visitors, three kills"


def wait_until_served(traffic, count):
    """As its own `wait_for`, which does not go on after a failure."""
    deadline = time.monotonic() + 20
    while traffic.served < count:
        assert time.monotonic() < deadline, traffic.failures
        time.sleep(0.01)


def test_many_who_come_while_there_is_no_router_are_served(routed_node, blog):
    request = b"GET / HTTP/1.1\r\nHost: blog.localhost\r\nConnection: close\r\n\r\n"
    program = routed_node.pid("router")
    os.killpg(program, signal.SIGSTOP)  # so it accepts nobody
    visitors = [routed_node.connect() for _ in range(50)]
    for visitor in visitors:
        visitor.sendall(request)
    os.killpg(program, signal.SIGKILL)
    for visitor in visitors:
        with visitor:
            assert visitor.makefile("rb").read(15) == b"HTTP/1.1 200 OK"
