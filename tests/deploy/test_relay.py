"""Bytes pass both ways, ends too, and nobody is lost when the program comes late or the relay goes."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.forwarder import Forwarder
from deploy.launcher import PORT_MARK
from deploy.port_file import read_port_file
from deploy.render import render_program
from deploy.start_key import StartKey
from toppcloud.unix import connect_unix


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
        forwarder = Forwarder(lambda: socket.create_connection(server.getsockname()))
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
    nowhere = ("127.0.0.1", free_port())
    forwarder = Forwarder(lambda: socket.create_connection(nowhere), patience_s=0.2)
    forwarder.add(inner)
    assert not forwarder.is_idle
    while not forwarder.is_idle:
        forwarder.turn(0.05)
    assert client.recv(1) == b""


@dataclass(frozen=True)
class Ported:
    """An app that only listens on its own port, behind a relay."""

    tiny: object
    app: object
    key: StartKey
    program: str
    relay: str

    @property
    def layout(self):
        return self.key.layout(self.tiny.layout)

    @property
    def port(self) -> int:
        return read_port_file(self.layout.port_file("web.1")).port

    def start(self, *names: str) -> None:
        for name in names or (self.relay, self.program):
            self.tiny.supervisor.start(name)


@pytest.fixture
def ported(tiny_node, make_app, request):
    name = f"ported-{len(request.node.name)}"
    app = make_app(tiny_node, name)
    key = StartKey(name, 1, 1)
    program = app.render(key, "ported", "--port", PORT_MARK)
    layout = key.layout(tiny_node.layout)
    spec = json.loads(layout.spec("web.1").read_text())
    spec["port_file"] = str(layout.port_file("web.1"))
    layout.spec("web.1").write_text(json.dumps({**spec, "socket": None}))
    relay = f"{name}.web.1.relay.v1.1"
    output = str(tiny_node.layout.output_pipe(relay))
    layout.spec("web.1.relay").write_text(json.dumps({**spec, "program": relay, "output": output}))
    script = Path(__file__).parent.parent.parent / "deploy" / "relay.py"
    argv = [sys.executable, "-I", "-S", str(script), str(layout.spec("web.1.relay"))]
    layout.program("web.1.relay").write_text(render_program(relay, argv, drain_s=10, stop_group=False))
    tiny_node.doorman.open_socket(name, 1, 1)
    for process in ("web.1", "web.1.relay"):
        tiny_node.supervisor.add(layout.program(process))
    yield Ported(tiny_node, app, key, program, relay)
    for known in tiny_node.supervisor.states(f"{name}."):
        tiny_node.supervisor.remove(known)


def ask_early(tiny, app) -> socket.socket:
    """A request that is answered when somebody is there to."""
    early = tiny.connect()
    early.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % app.host.encode())
    return early


@pytest.mark.node
def test_program_with_a_port_of_its_own_is_served_though_it_comes_late(tiny_node, ported):
    ported.app.activate(ported.key)
    ported.start(ported.relay)
    with ask_early(tiny_node, ported.app) as early:
        ported.start(ported.program)
        assert early.makefile("rb").read().endswith(b"ported")
    uid = Path(f"/proc/{tiny_node.pid(ported.relay)}").stat().st_uid
    assert uid == tiny_node.node.account.uid


@pytest.mark.node
def test_program_that_dies_comes_back_on_another_port_and_those_who_wait_are_served(tiny_node, ported, until):
    ported.app.activate(ported.key)
    ported.start()
    ported.app.wait_until_up("ported")
    before = ported.port
    tiny_node.supervisor.stop(ported.program)
    with ask_early(tiny_node, ported.app) as early, socket.create_server(("127.0.0.1", before)) as stranger:
        stranger.settimeout(0.3)
        with pytest.raises(TimeoutError):  # the port is another's now: nothing may be led there
            stranger.accept()
        ported.start(ported.program)
        assert early.makefile("rb").read().endswith(b"ported")
        assert ported.port != before


@pytest.mark.node
def test_anothers_listener_on_the_port_is_not_taken_for_the_program(tiny_node, ported, until):
    ported.app.activate(ported.key)
    spec = json.loads(ported.layout.spec("web.1").read_text())
    ported.layout.spec("web.1").write_text(json.dumps({**spec, "argv": ["sleep", "100"]}))
    ported.start()
    until(lambda: ported.layout.port_file("web.1").exists())
    with socket.create_server(("127.0.0.1", ported.port)) as stranger, ask_early(tiny_node, ported.app) as early:
        stranger.settimeout(5)
        connection = stranger.accept()[0]
        assert connection.recv(1) == b""  # looked whose it is, and said nothing
        early.settimeout(0.3)
        with pytest.raises(TimeoutError):
            early.recv(1)


@pytest.mark.node
def test_nobody_is_taken_from_the_socket_before_the_program_is_there(tiny_node, ported, until):
    """So that the doorman can answer them instead."""
    ported.start(ported.relay)
    with connect_unix(ported.layout.socket, timeout_s=5) as visitor:
        until(lambda: tiny_node.supervisor.state(ported.relay).is_running)
        visitor.settimeout(0.3)
        with pytest.raises(TimeoutError):
            visitor.recv(1)
        tiny_node.supervisor.stop(ported.relay)
        tiny_node.doorman.answer(ported.app.name, 1, 1, status=503)
        visitor.settimeout(10)
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert visitor.recv(100).startswith(b"HTTP/1.1 503")


@pytest.mark.node
def test_relay_ends_what_it_has_begun_and_the_doorman_the_rest(tiny_node, ported, until):
    ported.app.activate(ported.key)
    ported.start()
    ported.app.wait_until_up("ported")
    answers = []
    visitor = threading.Thread(target=lambda: answers.append(tiny_node.get(ported.app.host, "/slow").text))
    visitor.start()
    until(lambda: len(list(Path(f"/proc/{tiny_node.pid(ported.relay)}/fd").iterdir())) > 9)
    ported.app.go_live(2)
    tiny_node.doorman.retire(ported.app.name, 1, 1)
    visitor.join()
    assert answers == ["ported"]
    until(lambda: not ported.layout.folder.exists())
    assert tiny_node.get(ported.app.host).text == "v2.1"


@pytest.mark.node
def test_relay_without_connections_ends_at_once(tiny_node, ported):
    ported.start(ported.relay)
    tiny_node.supervisor.stop(ported.relay)
    assert tiny_node.supervisor.state(ported.relay).exit_status in (0, -signal.SIGTERM)
