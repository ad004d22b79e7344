"""A release that turns out bad after it went live is taken back by itself, when its app asked for that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]
GOES_BACK = '[checks]\npath = "/health"\nauto_rollback = "5m"\nauto_rollback_after = 3\n'
FAILING = """\
def app(environ, start_response):
    if environ["PATH_INFO"] == "/health":
        start_response("200 OK", [])
        return [b"well"]
    raise RuntimeError("not so well")
"""
DYING = """\
import os, threading
threading.Timer(1.5, lambda: os.kill(os.getppid(), 9)).start()

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"two"]
"""


def push_bad(repository: Repository, code: str) -> None:
    repository.commit("Bad", {"app.py": code})
    said = repository.push()
    assert said.status == 0, said.all


def wait_for_release(node: LiveNode, repository: Repository, number: int, timeout_s: float = 40) -> None:
    """Until it is live, and the session that made it has let go."""
    app = node.layout.app(repository.app)
    deadline = time.monotonic() + timeout_s
    while app.live_number() != number or not app.notice.exists():
        assert time.monotonic() < deadline, (node.layout.log / "doorman.log").read_text()[-2000:]
        time.sleep(0.05)


def test_release_that_answers_500_is_taken_back_and_the_next_command_tells(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files("one") | {"toppcloud.toml": GOES_BACK})
    push_bad(repository, FAILING)
    for _ in range(3):
        assert node.request(repository.app).status == 500
    wait_for_release(node, repository, 3)
    node.wait_for(repository.app, "one mark=;")
    rows = json.loads(repository.toppcloud("releases", "--json").out)
    assert (rows[0]["kind"], rows[0]["by"], rows[0]["copy_of"]) == ("rollback", "node", 1)
    assert rows[0]["description"] == "back to v1: v2 had 3 errors"
    said = repository.toppcloud("rollback")  # by somebody who has seen v2 fail, and nothing of this
    assert said.status == 1
    assert "v2 had 3 errors within" in said.err
    assert "The node went back by itself" in said.err
    said = repository.toppcloud("releases")
    assert said.err == ""
    assert "back to v1: v2 had 3 errors" in said.out.splitlines()[0]
    assert "not so well" in repository.toppcloud("logs", "--release", "2").out


def test_release_that_crashes_is_taken_back_without_a_visitor_and_the_next_push_tells(
    node: LiveNode, live_app: Make
) -> None:
    repository = live_app(plain_files("one") | {"toppcloud.toml": GOES_BACK})
    push_bad(repository, DYING)
    wait_for_release(node, repository, 3)
    node.wait_for(repository.app, "one mark=;")
    repository.commit("Good", plain_files("three"))
    said = repository.push()
    assert said.status == 0, said.all
    assert "v2 had 3 crashes within" in said.err
    assert "v3 is live: code and config of v1" in said.err
    assert repository.toppcloud("ps").err == ""
    node.wait_for(repository.app, "three mark=;")


def test_what_cannot_be_taken_back_stays_live_and_is_told(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files("one") | {"toppcloud.toml": GOES_BACK})
    writes = "import sqlite3\nsqlite3.connect('visits.sqlite3').execute('create table if not exists t (x)')\n"
    push_bad(repository, writes + FAILING)
    for _ in range(3):
        node.request(repository.app)
    deadline = time.monotonic() + 40
    while not node.layout.app(repository.app).notice.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    said = repository.toppcloud("releases")
    assert "is still live: going back failed" in said.err
    assert "visits.sqlite3" in said.err
    assert node.layout.app(repository.app).live_number() == 2
