"""What was begun on an old release ends there: long requests, WebSockets, over one change and over several."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.web_socket import CLOSE, WebSocket

pytestmark = pytest.mark.node
DRAIN_S = 6
ASGI = """\
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while "text" in (message := await receive()):
            await send({"type": "websocket.send", "text": "VERSION " + message["text"]})
    elif scope["type"] == "http":
        await asyncio.sleep(4 if scope["path"] == "/slow" else 0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"VERSION"})
"""
WEB_LINES = {
    "inherited socket": "gunicorn -k uvicorn_worker.UvicornWorker app:app",
    "own port behind a shell": "true && uvicorn app:app --host 0.0.0.0 --port $PORT; echo over",
}


@pytest.fixture(scope="module")
def quick_node() -> Iterator[LiveNode]:
    """A node with a short drain limit."""
    live = LiveNode.in_new_folder()
    try:
        live.root.mkdir()
        live.layout.node_toml.write_text(f"drain_timeout_s = {DRAIN_S}\n")
        live.start()
        yield live
    finally:
        live.remove()


def push_version(repository: Repository, version: str) -> None:
    repository.commit(version, {"app.py": ASGI.replace("VERSION", version)})
    said = repository.push()
    assert said.status == 0, said.all


@pytest.mark.parametrize("name", WEB_LINES)
def test_what_is_open_on_the_old_release_lives_until_the_drain_limit(quick_node: LiveNode, name: str) -> None:
    repository = quick_node.repository(
        f"drain-{len(name)}",
        {
            "requirements.txt": "gunicorn\nuvicorn\nuvicorn-worker\nwebsockets\n",
            "Procfile": f"web: {WEB_LINES[name]}\n",
        },
    )
    push_version(repository, "one")
    slow: list[str] = []
    visitor = threading.Thread(target=lambda: slow.append(quick_node.request(repository.app, "/slow").text))
    with WebSocket(quick_node.http_port, quick_node.host(repository.app)) as old:
        assert old.echo("before") == "one before"
        visitor.start()
        time.sleep(0.2)  # it is under way
        push_version(repository, "two")
        left_at = time.monotonic()
        assert quick_node.request(repository.app).text == "two"
        assert old.echo("after a push") == "one after a push"
        assert repository.toppcloud("config:set", "A=1").status == 0
        push_version(repository, "three")
        visitor.join()
        assert slow == ["one"]
        assert old.echo("after more") == "one after more"
        assert old.read()[0] == CLOSE  # its own server says good-bye
        assert old.read()[0] in (CLOSE, None)
        assert DRAIN_S - 1 < time.monotonic() - left_at < DRAIN_S + 4
    with WebSocket(quick_node.http_port, quick_node.host(repository.app)) as new:
        assert new.echo("hello") == "three hello"
