"""Large and slow visitors: who waits for them, and who is refused; and what is logged of answers that fail."""

from __future__ import annotations

import contextlib
import http.client

import pytest

from deploy.router_errors import parse_router_error

pytestmark = pytest.mark.node
LIMIT_MB = 4
MIB = 1024**2
SYNC_SERVER = """
import os, socket
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    stream = connection.makefile("rb")
    path = (stream.readline().split() or [b"", b""])[1]
    length = 0
    while (line := stream.readline()) not in (b"\\r\\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    got = len(stream.read(length))
    answer = b"x" * int(path[6:]) if path.startswith(b"/size/") else b"%d" % got
    status = b"503 Busy" if path == b"/busy" else b"404 Missing" if path == b"/missing" else b"200 OK"
    head = b"HTTP/1.1 %s\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % (status, len(answer))
    try:
        connection.sendall(head + answer)
    except OSError:
        pass
    stream.close()
    connection.close()
"""
"""One request at a time, as gunicorn's sync worker: it answers with as many bytes as asked for, or what it got."""


@pytest.fixture(scope="module")
def sync(routed_node, make_module_app):
    """An app that can serve only one visitor at a time."""
    app = make_module_app(routed_node, "sync")
    app.go_live(1, argv=["/usr/bin/python3", "-S", "-c", SYNC_SERVER])
    app.wait_until_up("0")
    return app


def read_body(connection):
    """All that comes after the head, until the end."""
    return connection.makefile("rb").read().partition(b"\r\n\r\n")[2]


def send_head(connection, host, path, length):
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode())


def test_slow_sender_keeps_no_worker_from_others(routed_node, sync):
    with routed_node.connect() as slow:
        send_head(slow, sync.host, "/", 200_000)
        slow.sendall(b"x" * 1000)
        assert routed_node.get(sync.host).text == "0"
        slow.sendall(b"x" * 199_000)
        assert slow.makefile("rb").read(15) == b"HTTP/1.1 200 OK"


def test_slow_reader_of_a_small_answer_keeps_no_worker_from_others(routed_node, sync):
    with routed_node.connect() as slow:
        slow.sendall(f"GET /size/100000 HTTP/1.1\r\nHost: {sync.host}\r\nConnection: close\r\n\r\n".encode())
        assert routed_node.get(sync.host).text == "0"
        assert len(read_body(slow)) == 100_000


def test_nginx_waits_for_slow_senders_and_readers_of_much(routed_node, sync):
    if routed_node.router != "nginx":
        pytest.skip("Caddy passes on what is large as it comes")
    with routed_node.connect() as sender, routed_node.connect() as reader:
        send_head(sender, sync.host, "/", 3 * MIB)
        sender.sendall(b"x" * 2 * MIB)
        reader.sendall(f"GET /size/{30 * MIB} HTTP/1.1\r\nHost: {sync.host}\r\nConnection: close\r\n\r\n".encode())
        assert routed_node.get(sync.host).text == "0"
        sender.sendall(b"x" * MIB)
        assert sender.makefile("rb").read(15) == b"HTTP/1.1 200 OK"
        assert len(read_body(reader)) == 30 * MIB


def test_upload_below_the_limit_passes_whole(routed_node, sync):
    body = b"x" * (LIMIT_MB * MIB)
    assert routed_node.get(sync.host, method="POST", body=body).text == str(len(body))


def test_upload_above_the_limit_is_refused_with_a_page(routed_node, sync):
    with routed_node.connect() as connection:
        send_head(connection, sync.host, "/", LIMIT_MB * MIB + 1)
        connection.sendall(b"x" * 300_000)  # Caddy reads a little before it refuses
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 413
        assert "too large" in response.read().decode()


def test_upload_without_a_length_ends_at_the_limit(routed_node, sync):
    def pieces():
        for _ in range(LIMIT_MB + 2):
            yield b"x" * MIB

    connection = http.client.HTTPConnection("127.0.0.1", routed_node.http_port, timeout=20)
    with contextlib.closing(connection), contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", "/", pieces(), {"Host": sync.host}, encode_chunked=True)
        assert connection.getresponse().status != 200 or routed_node.router == "caddy"  # there the app has answered


def test_failed_answers_are_logged_and_no_others(routed_node, sync, make_module_app, until):
    log = routed_node.layout.router_errors
    before = len(log.read_bytes()) if log.exists() else 0
    silent = make_module_app(routed_node, "silent")
    silent.go_live(1).layout(routed_node.layout).socket.unlink()
    for host, path in (
        (sync.host, "/"),
        (sync.host, "/missing"),
        ("nobody.localhost", "/"),
        (sync.host.upper(), "/busy"),
    ):
        routed_node.get(host, path, X_Forwarded_Host="evil.example.com")
    routed_node.get(f"{silent.host}:80", "/private?token=1")
    until(lambda: log.read_bytes()[before:].count(b"\n") == 2)
    lines = log.read_bytes()[before:].splitlines()
    errors = [parse_router_error(line) for line in lines]
    assert {(error.status, error.host) for error in errors} == {(503, sync.host), (502, silent.host)}
    assert all(error.at > 1.7e9 and 0 <= error.took_s < 60 for error in errors)
    assert b"private" not in log.read_bytes()
