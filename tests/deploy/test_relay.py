"""Bytes pass both ways, ends too, and nobody is lost when the program comes late or the relay goes."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from deploy.relay import Forwarder, connect_to_port
from deploy.render import render_program
from deploy.start_key import StartKey


@pytest.fixture
def relayed():
    """A function that relays connections to a handler, in threads: returns a client socket."""
    ends: list[socket.socket] = []

    def connect(handle) -> socket.socket:
        server = socket.create_server(("127.0.0.1", 0))
        ends.append(server)
        threading.Thread(target=lambda: handle(server.accept()[0]), daemon=True).start()
        client, inner = socket.socketpair()
        client.settimeout(10)
        forwarder = Forwarder(connect_to_port(server.getsockname()[1]))
        forwarder.add(inner)

        def run() -> None:
            while not forwarder.is_idle:
                forwarder.turn(0.05)

        threading.Thread(target=run, daemon=True).start()
        ends.append(client)
        return client

    yield connect
    for end in ends:
        end.close()


def test_each_direction_ends_by_itself(relayed):
    def answer_at_the_end(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming:
            connection.sendall(b"got " + incoming.read())

    client = relayed(answer_at_the_end)
    client.sendall(b"all of it")
    client.shutdown(socket.SHUT_WR)
    assert client.makefile("rb").read() == b"got all of it"


def test_both_sides_talk_at_will(relayed):
    def echo(connection: socket.socket) -> None:
        connection.sendall(b"hello ")
        while data := connection.recv(100):
            connection.sendall(data.upper())

    client = relayed(echo)
    stream = client.makefile("rb")
    assert stream.read(6) == b"hello "
    for word in (b"one", b"two", b"three"):
        client.sendall(word)
        assert stream.read(len(word)) == word.upper()


def test_slow_reader_gets_all_of_a_large_answer(relayed):
    size = 20_000_000

    def send_much(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"x" * size)

    client = relayed(send_much)
    assert sum(len(part) for part in iter(lambda: client.recv(65536), b"")) == size


def test_program_that_closes_ends_the_clients_connection(relayed):
    client = relayed(lambda connection: connection.close())
    assert client.recv(1) == b""


def test_client_of_a_program_that_never_comes_is_let_go(free_port):
    client, inner = socket.socketpair()
    forwarder = Forwarder(connect_to_port(free_port()), patience_s=0.2)
    forwarder.add(inner)
    assert not forwarder.is_idle
    while not forwarder.is_idle:
        forwarder.turn(0.05)
    assert client.recv(1) == b""


@pytest.fixture
def ported(tiny_node, make_app, free_port, request):
    """An app that only listens on its own port, behind a relay: (app, port, name of the program, of the relay)."""
    name = f"ported-{len(request.node.name)}"
    app = make_app(tiny_node, name)
    key = StartKey(name, 1, 1)
    port = free_port()
    program = app.render(key, "ported", "--port", str(port))
    layout = key.layout(tiny_node.layout)
    spec = json.loads(layout.spec("web.1").read_text())
    spec["argv"] += ["--port", str(port)] if "--port" not in spec["argv"] else []
    layout.spec("web.1").write_text(json.dumps({**spec, "socket": None}))
    relay = f"{name}.web.1.relay.v1.1"
    output = str(tiny_node.layout.output_pipe(relay))
    layout.spec("web.1.relay").write_text(
        json.dumps({**spec, "program": relay, "output": output, "socket": key.name, "port": port})
    )
    script = Path(__file__).parent.parent.parent / "deploy" / "relay.py"
    argv = [sys.executable, "-I", "-S", str(script), str(layout.spec("web.1.relay"))]
    layout.program("web.1.relay").write_text(render_program(relay, argv, drain_s=10, stop_group=False))
    tiny_node.doorman.open_socket(name, 1, 1)
    for process in ("web.1", "web.1.relay"):
        tiny_node.supervisor.add(layout.program(process))
    yield app, key, program, relay
    for known in tiny_node.supervisor.states(f"{name}."):
        tiny_node.supervisor.remove(known)


@pytest.mark.node
def test_program_with_a_port_of_its_own_is_served_though_it_comes_late(tiny_node, ported):
    app, key, program, relay = ported
    app.activate(key)
    tiny_node.supervisor.start(relay)
    with tiny_node.connect() as early:
        early.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % app.host.encode())
        tiny_node.supervisor.start(program)
        assert early.makefile("rb").read().endswith(b"ported")
    uid = Path(f"/proc/{tiny_node.pid(relay)}").stat().st_uid
    assert uid == tiny_node.node.account.uid


@pytest.mark.node
def test_relay_ends_what_it_has_begun_and_the_doorman_the_rest(tiny_node, ported, make_app, until):
    app, key, program, relay = ported
    app.activate(key)
    tiny_node.supervisor.start(relay)
    tiny_node.supervisor.start(program)
    app.wait_until_up("ported")
    answers = []
    visitor = threading.Thread(target=lambda: answers.append(tiny_node.get(app.host, "/slow").text))
    visitor.start()
    until(lambda: len(list(Path(f"/proc/{tiny_node.pid(relay)}/fd").iterdir())) > 8)
    app.go_live(2)
    app.tiny.doorman.retire(app.name, 1, 1, programs=[program, relay])
    visitor.join()
    assert answers == ["ported"]
    until(lambda: not key.layout(tiny_node.layout).folder.exists())
    assert tiny_node.get(app.host).text == "v2.1"


@pytest.mark.node
def test_relay_without_connections_ends_at_once(tiny_node, ported):
    _, _, _, relay = ported
    tiny_node.supervisor.start(relay)
    tiny_node.supervisor.stop(relay)
    assert tiny_node.supervisor.state(relay).exit_status in (0, -signal.SIGTERM)
