"""kill -9 of supervisord, again and again, under traffic: nobody outside notices, and no worker runs twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository
from benchmarks.load import Traffic
from deploy.process_record import read_process
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]
KILLS = 4

PRINTING = """\
import sys

def app(environ, start_response):
    print("seen", environ["REQUEST_METHOD"], "x" * 500, flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{version}"]
"""
# whoever holds the lock is the only one; whoever finds it held says so
WORKER = """\
import fcntl, os, sys, time
STORY = "{story}"
lock = open(STORY + ".lock", "a")
def tell(word):
    with open(STORY, "a") as story:
        print(word, os.getpid(), file=story)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    tell("twice")
    sys.exit(1)
tell("began")
while True:
    print("working", "y" * 500, flush=True)
    time.sleep(0.01)
"""


def files(version: str, story: Path) -> dict[str, str]:
    return plain_files() | {
        "app.py": PRINTING.format(version=version),
        "worker.py": WORKER.format(story=story),
        "Procfile": "web: gunicorn app:app\nworker: python worker.py\n",
    }


def test_killed_again_and_again_under_traffic_no_request_fails_and_no_worker_runs_twice(
    node: LiveNode, new_app: Make
) -> None:
    story = make_story(node, "traffic")
    repository = new_app(files("one", story))
    said = repository.push()
    assert said.status == 0, said.all
    wait_until(lambda: "began" in read(story))
    workers = read(story)
    log = node.layout.app(repository.app).output
    with Traffic(node.http_port, node.host(repository.app), 50) as traffic:
        for _ in range(KILLS):
            kill_supervisord(node)
            size = log.stat().st_size
            wait_until(lambda size=size: log.stat().st_size != size)  # both go on printing
        assert read(story) == workers  # the very same process
        said = repository.toppcloud("ps")
        assert said.status == 0, said.all
        assert "worker" in said.out
        kill_supervisord(node, waits=False)
        repository.commit("Second", files("two", story))
        said = repository.push()
        assert said.status == 0, said.all
        assert node.request(repository.app).text == "two"
        kill_supervisord(node, waits=False)
        said = repository.toppcloud("ps:restart")
        assert said.status == 0, said.all
        tally = traffic.stop()
    assert tally.failures == []
    assert tally.requests > 0
    wait_until(lambda: read(story).count("began") == 3)
    assert "twice" not in read(story)
    last = int(read(story).split()[-1])
    os.kill(last, signal.SIGKILL)  # who is adopted is also started again
    wait_until(lambda: read(story).count("began") == 4)
    assert "twice" not in read(story)


def test_killed_while_workers_change_over_they_still_do_so_once(node: LiveNode, new_app: Make) -> None:
    story = make_story(node, "changing-over")
    repository = new_app(files("one", story))
    assert repository.push().status == 0
    app = node.layout.app(repository.app)
    for release in range(2, 5):
        wait_until(lambda release=release: read(story).count("began") == release - 1)
        repository.commit("More", files(f"v{release}", story))
        with ThreadPoolExecutor() as pool:
            push = pool.submit(repository.push)
            wait_until(lambda release=release: app.live_number() == release)
            kill_supervisord(node)
            assert push.result().status == 0, push.result().all
    wait_until(lambda: read(story).count("began") == 4)
    assert "twice" not in read(story)


def make_story(node: LiveNode, name: str) -> Path:
    """A file that the app's account may write, outside of all releases."""
    folder = node.folder / f"story-{name}"
    folder.mkdir()
    folder.chmod(0o777)
    return folder / "story"


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def kill_supervisord(node: LiveNode, *, waits: bool = True) -> None:
    record = read_process(node.layout.pids, "supervisord")
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    if waits:
        wait_until(lambda: is_another(node, record.pid))


def is_another(node: LiveNode, pid: int) -> bool:
    record = read_process(node.layout.pids, "supervisord")
    return record is not None and record.pid != pid and record.is_alive


def wait_until(is_so: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
