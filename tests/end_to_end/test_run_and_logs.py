"""`run` and `logs`, over real ssh, as people use them in scripts and by hand."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files

pytestmark = [pytest.mark.node, pytest.mark.git]


@pytest.fixture(scope="module")
def app(node: LiveNode) -> Iterator[Repository]:
    """One live app for all tests of this module; it prints a line for each request."""
    code = plain_files()["app.py"].replace("def app(environ, start_response):\n", PRINTING)
    repository = node.repository("run-and-logs", {**plain_files(), "app.py": code})
    said = repository.push()
    assert said.status == 0, said.all
    yield repository


PRINTING = "def app(environ, start_response):\n    print('asked for', environ['PATH_INFO'])\n"


def test_exit_status_of_a_signal_and_of_a_program_that_is_not_there(app: Repository) -> None:
    assert app.toppcloud("run", "--", "sh", "-c", "kill -9 $$").status == 137
    said = app.toppcloud("run", "no-such-program")
    assert said.status == 127
    assert "no such program" in said.err


def test_one_word_with_spaces_is_a_line_for_the_shell(app: Repository) -> None:
    assert app.toppcloud("run", "echo $TOPPCLOUD_APP && exit 3").out == "run-and-logs\n"
    assert app.toppcloud("run", "echo $TOPPCLOUD_APP && exit 3").status == 3


def test_command_runs_where_the_app_lives_and_as_its_user(node: LiveNode, app: Repository) -> None:
    said = app.toppcloud("run", "pwd; id -u; ulimit -v; echo $TOPPCLOUD_RELEASE $HOME")
    folder, uid, memory, last = said.out.splitlines()
    assert folder == str(node.root / "apps" / "run-and-logs" / "releases" / "1" / "source")
    assert (int(uid) != 0) or os.geteuid() != 0
    assert int(uid) != 0
    assert memory == "unlimited"
    assert last == f"v1 {folder}"


def test_input_of_any_size_and_kind_passes(app: Repository) -> None:
    assert app.toppcloud("run", "wc", "-c", stdin="x" * 3_000_000).out.strip() == "3000000"


def test_terminal_is_the_persons_and_ctrl_c_reaches_the_command(node: LiveNode, app: Repository) -> None:
    with Typed([*node.ssh_words()[:1], "-tt", *node.ssh_words()[1:], COMMAND_WITH_TERMINAL], node) as typed:
        typed.wait_for(b"ready")
        assert b"/dev/pts/" in typed.seen
        assert b"uid=0" not in typed.seen
        typed.type(b"\x03")
        assert typed.end() == 130


COMMAND_WITH_TERMINAL = "run -a run-and-logs -- sh -c 'tty; id; stty -a > /dev/tty && echo ready; exec sleep 100'"


def test_signal_from_the_client_is_passed_on(node: LiveNode, app: Repository) -> None:
    async def visit() -> int | None:
        async with asyncssh.connect(
            "127.0.0.1", node.ssh_port, username="toppcloud", client_keys=[str(node.key)], known_hosts=None
        ) as connection:
            script = "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
            process = await connection.create_process(f'run -a run-and-logs -- sh -c "{script}"')
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("TERM")
            assert await process.stdout.readline() == "told\n"
            return (await process.wait()).exit_status

    assert asyncio.run(visit()) == 9


def test_command_is_hung_up_on_when_the_person_goes_away(node: LiveNode, app: Repository) -> None:
    mark = node.root / "apps" / "run-and-logs" / "releases" / "1" / "source" / "hung-up"
    script = f"exec 2>/dev/null; trap 'touch {mark}; exit' HUP; echo ready; while :; do sleep 0.05; done"
    words = [*node.ssh_words(), f'run -a run-and-logs -- sh -c "{script}"']
    with subprocess.Popen(words, env=node.environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as client:
        assert client.stdout
        assert client.stdout.readline() == b"ready\n"
        client.kill()
    wait_until(mark.exists)


def test_tail_shows_lines_as_they_come_until_the_person_goes_away(node: LiveNode, app: Repository) -> None:
    words = [*node.ssh_words(), "logs -a run-and-logs -n 0 --tail --process web"]
    with subprocess.Popen(words, env=node.environment, stdout=subprocess.PIPE) as client:
        assert client.stdout
        for number in range(3):
            wait_until(lambda: workers(node) != [])
            time.sleep(0.5 if number == 0 else 0)  # until it looks at the end of the log
            node.request("run-and-logs", f"/page-{number}")
            seen = b""
            while not seen.endswith(b"v1 web.1 asked for /page-%d\n" % number):
                seen = client.stdout.readline()
        client.send_signal(signal.SIGTERM)
    wait_until(lambda: workers(node) == [])


def test_number_and_process_choose_lines(node: LiveNode, app: Repository) -> None:
    for number in range(3):
        node.request("run-and-logs", f"/chosen-{number}")
    wait_until(lambda: "chosen-2" in app.toppcloud("logs").out)
    lines = app.toppcloud("logs", "-n", "2").out.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == ["chosen-1", "chosen-2"]
    assert app.toppcloud("logs", "--process", "worker").out == ""


class Typed:
    """A program at a terminal of its own."""

    def __init__(self, words: list[str], node: LiveNode) -> None:
        self._master, slave = pty.openpty()
        self._child = subprocess.Popen(words, env=node.environment, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.seen = b""

    def __enter__(self) -> Typed:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._master)

    def wait_for(self, word: bytes) -> None:
        while word not in self.seen:
            self.seen += os.read(self._master, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        return self._child.wait(timeout=20)


def workers(node: LiveNode) -> list[int]:
    """Processes that the forker has now."""
    record = node.layout.pids / "sessions"
    forker = int(record.read_text().split()[0])
    return [int(word) for word in Path(f"/proc/{forker}/task/{forker}/children").read_text().split()]


def wait_until(is_so: Callable[[], object], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_logs_of_a_mistyped_process_type_are_refused_with_the_nearest(app: Repository) -> None:
    said = app.toppcloud("logs", "--process", "wep")
    assert said.status == 1
    assert "Did you mean 'web'?" in said.err


def test_logs_go_on_over_a_deploy_and_can_be_had_of_one_release(
    node: LiveNode, live_app: Callable[..., Repository]
) -> None:
    code = plain_files()["app.py"].replace("def app(environ, start_response):\n", PRINTING)
    repository = live_app({**plain_files(), "app.py": code})
    words = [*node.ssh_words(), f"logs -a {repository.app} -n 0 --tail --process web"]
    with subprocess.Popen(words, env=node.environment, stdout=subprocess.PIPE) as client:
        assert client.stdout
        wait_until(lambda: workers(node) != [])
        time.sleep(0.5)  # until it looks at the end of the log
        node.request(repository.app, "/first")
        assert repository.toppcloud("config:set", "MARK=2").status == 0
        node.request(repository.app, "/second")
        seen = b""
        while not seen.endswith(b"asked for /second\n"):
            seen += client.stdout.readline()
        client.kill()
    assert b" v1 web.1 asked for /first\n" in seen
    assert b" v2 web.1 asked for /second\n" in seen
    of_first = repository.toppcloud("logs", "--release", "v1").out
    assert "/first" in of_first
    assert "/second" not in of_first
    said = repository.toppcloud("logs", "--release", "9")
    assert said.status == 1
    assert said.err.splitlines() == [
        f"{repository.app} has no release v9.",
        "The newest is v2.",
        "See: toppcloud releases",
    ]
