"""Six kinds of apps on one node, behind each router: deployed, asleep, waked, crashed, rolled back, and never lost."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository
from benchmarks.load import Traffic
from tests.web_socket import WebSocket

pytestmark = pytest.mark.node
PACKAGES = {
    "nginx": "/usr/sbin/nginx",
    "apache2": "/usr/sbin/apache2",
    "libapache2-mod-wsgi-py3": "/usr/lib/apache2/modules/mod_wsgi.so",
    "nodejs": "/usr/bin/node",
}
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}\n"
ECHO = """\
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "VERSION:" + message["text"]})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"VERSION"})
"""
FLASK = """\
from flask import Flask
app = Flask(__name__)

@app.route("/", methods=["GET", "POST"])
def show():
    return "VERSION"
"""
WSGI = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"VERSION"]
"""
NODE = """\
const http = require("http");
const server = http.createServer((request, response) => response.end("VERSION"));
server.listen(process.env.PORT, "127.0.0.1");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
"""
WEB_SOCKET, STATIC = "web-socket-app", "static-site"
PROJECTS = {
    WEB_SOCKET: {
        "main.py": ECHO,
        "requirements.txt": "uvicorn\nwebsockets\n",
        "Procfile": "web: uvicorn main:app --port $PORT\n",
    },
    "node-server": {"server.js": NODE, "package.json": "{}\n", "Procfile": "web: node server.js\n"},
    "asgi-hypercorn": {
        "main.py": ECHO,
        "requirements.txt": "hypercorn\n",
        "Procfile": "web: hypercorn main:app --bind 0.0.0.0:$PORT\n",
    },
    "flask-modwsgi": {
        "app.py": FLASK,
        "requirements.txt": "flask\n",
        ".python-version": PYTHON,
        "toppcloud.toml": '[web]\nwsgi = "app:app"\nrunner = "mod_wsgi"\n',
    },
    "uwsgi-behind": {
        "app.py": WSGI,
        "requirements.txt": "pyuwsgi\n",
        "Procfile": "web: uwsgi --http-socket 127.0.0.1:$PORT --master --processes 2 -w app:app\n",
    },
    STATIC: {"index.html": "VERSION", "404.html": "nothing here"},
}
"""VERSION is put in anew for each deploy."""


@pytest.fixture(params=["caddy", "nginx"])
def routed_node(request: pytest.FixtureRequest) -> Iterator[LiveNode]:
    for name, path in PACKAGES.items():
        if not Path(path).exists() and (name != "nginx" or request.param == "nginx"):
            pytest.skip(f"needs Debian's package {name}")
    live = LiveNode.in_new_folder()
    try:
        live.start("--router", request.param)
        yield live
    finally:
        live.remove()


def test_all_survive_deploy_sleep_wake_crash_and_rollback(routed_node: LiveNode) -> None:
    node = routed_node
    apps = {name: node.repository(name, write_version(name, "one")) for name in PROJECTS}
    for repository in apps.values():
        push(repository)
    assert answers(node, apps) == dict.fromkeys(apps, "one")
    assert node.request(STATIC, "/missing").status == 404
    assert "nothing here" in node.request(STATIC, "/missing").text
    assert node.request(STATIC, "/missing").headers["Content-Type"].startswith("text/html")
    with WebSocket(node.http_port, node.host(WEB_SOCKET)) as before:
        deploy_under_traffic(node, apps, "two")
        assert before.echo("hello") == "one:hello"  # the release that it came to serves it on
    wait_until(lambda: processes_of(WEB_SOCKET, release=1) == [])

    with_process = {name: repository for name, repository in apps.items() if name != STATIC}
    for name, repository in with_process.items():
        said = repository.toppcloud("ps:sleep")
        assert said.status == 0, said.all
        assert processes_of(name) == []
    assert apps[STATIC].toppcloud("ps").status == 0
    assert answers(node, apps) == dict.fromkeys(apps, "two")
    with WebSocket(node.http_port, node.host(WEB_SOCKET)) as after:
        assert after.echo("awake") == "two:awake"

    for name in with_process:
        for pid in processes_of(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert answers(node, apps) == dict.fromkeys(apps, "two")

    for repository in with_process.values():
        assert repository.toppcloud("ps:sleep").status == 0
    for repository in apps.values():
        said = repository.toppcloud("rollback")
        assert said.status == 0, said.all
    assert answers(node, apps) == dict.fromkeys(apps, "one")
    assert node.stop().status == 0
    node.start()
    assert answers(node, apps) == dict.fromkeys(apps, "one")


def deploy_under_traffic(node: LiveNode, apps: dict[str, Repository], version: str) -> None:
    for name, repository in apps.items():
        repository.commit(version, write_version(name, version))
        with contextlib.nullcontext() if name == STATIC else Traffic(node.http_port, node.host(name), 50) as traffic:
            push(repository)
            tally = traffic.stop() if traffic else None
        assert not tally or tally.failures == [], (name, tally)
    assert answers(node, apps) == dict.fromkeys(apps, version)


def write_version(name: str, version: str) -> dict[str, str]:
    return {path: text.replace("VERSION", version) for path, text in PROJECTS[name].items()}


def push(repository: Repository) -> None:
    said = repository.push()
    assert said.status == 0, said.all


def answers(node: LiveNode, apps: dict[str, Repository]) -> dict[str, str]:
    return {name: node.request(name).text for name in apps}


def processes_of(app: str, release: int | None = None) -> list[int]:
    """All processes that were given the environment of this app, or of one release of it."""
    wanted = {f"TOPPCLOUD_APP={app}".encode()}
    if release:
        wanted.add(f"TOPPCLOUD_RELEASE=v{release}".encode())
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted <= set(path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
    return found


def wait_until(is_so: Callable[[], bool], timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
