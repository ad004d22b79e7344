"""Any program can be an app: each kind of server, through a new config, a crash, sleep, wake and rollback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository
from deploy.port_file import read_port_file
from deploy.process_record import read_start_time
from tests.web_socket import WebSocket

pytestmark = pytest.mark.node
Make = Callable[..., Repository]

ASGI = """\
import json, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"].endswith("shutdown"):
                return
    seen = {"scheme": scope["scheme"], "address": (scope["client"] or [None])[0], "mark": os.environ.get("MARK")}
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(seen)})
        await receive()
        return
    if scope["path"] == "/die":
        os._exit(1)
    body = json.dumps(seen).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = """\
import json, os, sys

def app(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        os._exit(1)
    if environ["PATH_INFO"] == "/print":
        print("printed by the app", flush=True)
    seen = {"scheme": environ["wsgi.url_scheme"], "address": environ["REMOTE_ADDR"], "mark": os.environ.get("MARK")}
    forwarded = environ["HTTP_X_FORWARDED_FOR"]
    start_response("200 OK", [("Content-Type", "application/json")])
    body = {**seen, "forwarded": forwarded, "prefix": sys.prefix, "uid": os.getuid(), "cwd": os.getcwd()}
    return [json.dumps(body).encode()]

def create_app():
    return app
"""
NODE = """\
const http = require("http");
http.createServer((request, response) => {
  if (request.url === "/die") process.exit(1);
  const forwarded = request.headers["x-forwarded-for"];
  response.end(JSON.stringify({mark: process.env.MARK || null, forwarded, address: "127.0.0.1", scheme: "http"}));
}).listen(process.env.PORT, process.env.ADDRESS || "127.0.0.1");
"""
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}\n"


@dataclass(frozen=True)
class Kind:
    """A project, and how its web process is said to be."""

    files: dict[str, str]
    is_direct: bool = False
    """It takes the socket and needs no $PORT."""
    web_socket: bool = False
    package: tuple[str, ...] = field(default=())


def asgi(requirements: str, **files: str) -> dict[str, str]:
    return {"main.py": ASGI, "requirements.txt": requirements, **{k.replace("__", "."): v for k, v in files.items()}}


def wsgi(requirements: str, **files: str) -> dict[str, str]:
    return {"app.py": WSGI, "requirements.txt": requirements, **{k.replace("__", "."): v for k, v in files.items()}}


KINDS = {
    "gunicorn": Kind(wsgi("gunicorn\n", Procfile="web: gunicorn app:app\n"), is_direct=True),
    "gunicorn-module": Kind(wsgi("gunicorn\n", Procfile="web: python -m gunicorn app:app -w 1\n"), is_direct=True),
    "gunicorn-asgi": Kind(
        asgi("gunicorn\n", Procfile="web: gunicorn -k asgi main:app\n"), is_direct=True, web_socket=True
    ),
    "uvicorn": Kind(
        asgi("uvicorn\nwebsockets\n", Procfile="web: uvicorn main:app --host 0.0.0.0 --port ${PORT:-8000}\n"),
        is_direct=True,
        web_socket=True,
    ),
    "uvicorn-runner": Kind(
        asgi("websockets\n", toppcloud__toml='[web]\nasgi = "main:app"\nrunner = "uvicorn"\n'),
        is_direct=True,
        web_socket=True,
    ),
    "hypercorn": Kind(
        asgi("hypercorn\n", Procfile="web: hypercorn --bind 0.0.0.0:$PORT --worker-class asyncio 'main:app'\n"),
        is_direct=True,
        web_socket=True,
    ),
    "hypercorn-runner": Kind(
        asgi("hypercorn\n", toppcloud__toml='[web]\nasgi = "main:app"\nrunner = "hypercorn"\n'),
        is_direct=True,
        web_socket=True,
    ),
    "hypercorn-wsgi": Kind(wsgi("hypercorn\n", Procfile="web: hypercorn -b :$PORT wsgi:app:app\n"), is_direct=True),
    "uwsgi": Kind(
        wsgi("pyuwsgi\n", Procfile="web: uwsgi --http-socket 127.0.0.1:$PORT --master --processes 2 -w app:app\n")
    ),
    "uwsgi-script": Kind(
        wsgi(
            "pyuwsgi\n",
            Procfile="web: sh start.sh\n",
            start__sh="export CALLABLE=app:app\nexec uwsgi --http 127.0.0.1:$PORT --wsgi $CALLABLE\n",
        )
    ),
    "mod_wsgi": Kind(
        wsgi(
            "six\n",
            toppcloud__toml='[web]\nwsgi = "app:create_app()"\nrunner = "mod_wsgi"\n',
            **{"__python-version": PYTHON},
        ),
        package=("apache2", "/usr/sbin/apache2", "libapache2-mod-wsgi-py3", "/usr/lib/apache2/modules/mod_wsgi.so"),
    ),
    "node": Kind(
        {"server.js": NODE, "requirements.txt": "six\n", "Procfile": "web: node server.js\n"},
        package=("nodejs", "/usr/bin/node"),
    ),
    "node-shell": Kind(
        {"server.js": NODE, "requirements.txt": "six\n", "Procfile": "web: echo on $PORT; node server.js | cat\n"},
        package=("nodejs", "/usr/bin/node"),
    ),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen = KINDS[request.param]
    require(chosen.package)
    return chosen


def require(package: tuple[str, ...]) -> None:
    for name, path in zip(package[::2], package[1::2], strict=True):
        if not Path(path).exists():
            pytest.skip(f"needs Debian's package {name}")


def test_each_kind_of_server_is_an_app(node: LiveNode, live_app: Make, kind: Kind) -> None:
    """Live, the visitor known, a new config without the old processes, a crash, sleep and wake, rollback, scale."""
    repository = live_app(kind.files)
    app = node.layout.app(repository.app)
    seen = json.loads(node.request(repository.app).text)
    assert seen["mark"] is None
    assert (seen["address"], seen["scheme"]) == ("127.0.0.1", "http")
    assert app.release(1).relayed.exists() is not kind.is_direct
    if kind.web_socket:
        with WebSocket(node.http_port, node.host(repository.app)) as web_socket:
            assert json.loads(web_socket.read()[1]) == seen | {"scheme": "ws"}

    old = pids_of(repository.app)
    said = repository.toppcloud("config:set", "MARK=two")
    assert said.status == 0, said.all
    assert json.loads(node.request(repository.app).text)["mark"] == "two"
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old))

    killed = pids_of(repository.app)
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_running(pid) for pid in killed))  # who comes while it dies may be lost inside
    assert json.loads(node.request(repository.app).text)["mark"] == "two"

    said = repository.toppcloud("ps:sleep")
    assert said.status == 0, said.all
    assert pids_of(repository.app) == []
    assert json.loads(node.request(repository.app).text)["mark"] == "two"
    said = repository.toppcloud("rollback")
    assert said.status == 0, said.all
    assert json.loads(node.request(repository.app).text)["mark"] is None
    said = repository.toppcloud("ps:scale", "web=2")
    assert said.status == 0, said.all
    assert json.loads(node.request(repository.app).text)["mark"] is None


def pids_of(app: str) -> list[int]:
    """All processes that were given the environment of this app."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"TOPPCLOUD_APP={app}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def is_running(pid: int) -> bool:
    return read_start_time(pid) is not None


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_that_others_reach_past_the_router_is_served_and_named(node: LiveNode, new_app: Make) -> None:
    kind = KINDS["node"]
    require(kind.package)
    repository = new_app({**kind.files, "Procfile": "web: ADDRESS=0.0.0.0 node server.js\n"})
    said = repository.push()
    assert said.status == 0, said.all
    assert node.request(repository.app).status == 200
    port = read_port_file(node.layout.app(repository.app).release(1).start(1).port_file("web.1")).port
    what = f"listens on 0.0.0.0:{port}, where other machines reach it past the router"
    assert f"!     web.1 {what}. Bind 127.0.0.1:$PORT." in said.all
    assert f"{repository.app}: web.1 of v1 {what}" in node.node("doctor").out
    repository.commit("Closed", {"Procfile": "web: node server.js\n"})
    assert "past the router" not in repository.push().all
    wait_until(lambda: f"{repository.app}: web.1" not in node.node("doctor").out)


def test_a_program_on_a_port_of_its_own_choice_is_refused_and_the_port_named(node: LiveNode, new_app: Make) -> None:
    kind = KINDS["node"]
    require(kind.package)
    server = NODE.replace("process.env.PORT", "0")
    toml = '[checks]\ntimeout = "2s"\n'
    repository = new_app({**kind.files, "server.js": server, "toppcloud.toml": toml})
    said = repository.push()
    assert said.status == 1
    assert re.search(r"nor its \$PORT \(\d+\)\. It listens on 127\.0\.0\.1:\d+\.", said.all), said.all


def test_mod_wsgi_runs_in_the_apps_virtualenv_and_is_empty_until_asked(node: LiveNode, live_app: Make) -> None:
    kind = KINDS["mod_wsgi"]
    require(kind.package)
    repository = live_app({**kind.files, "app.py": f"{WSGI}\nprint('loaded', flush=True)\n"})
    app = node.layout.app(repository.app)
    seen = json.loads(node.request(repository.app, "/print").text)
    assert Path(seen["prefix"]).parent == app.venvs
    assert seen["cwd"] == str(app.release(1).source)
    wait_until(lambda: "printed by the app" in app.output.read_text())
    loaded = app.output.read_text().count("loaded")
    old = set(pids_of(repository.app))
    os.kill(read_port_file(app.release(1).start(1).port_file("web.1")).pid, signal.SIGKILL)
    wait_until(lambda: len(set(pids_of(repository.app)) - old) > 3)  # httpd, its child, two daemons
    assert app.output.read_text().count("loaded") == loaded
    assert node.request(repository.app).status == 200
    wait_until(lambda: app.output.read_text().count("loaded") == loaded + 1)
    assert "MinSpareThreads" not in app.output.read_text()  # Apache's own complaints of its configuration
