"""A crash at any moment leaves the old release or the new one, whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository
from deploy.supervisor import Supervisor
from tests.plain_app import plain_files
from toppcloud.app_layout import AppLayout
from toppcloud.lock import read_holder

pytestmark = pytest.mark.node
Make = Callable[..., Repository]


def test_killed_during_the_release_command_the_old_serves_and_the_next_push_works(
    node: LiveNode, live_app: Make
) -> None:
    repository = live_app()
    app = node.layout.app(repository.app)
    repository.commit("Slow", plain_files("two") | {"Procfile": "web: gunicorn app:app\nrelease: sleep 60\n"})
    push = start_push(repository)
    wait_until(lambda: app.release(2).record.exists() and holder(app) is not None)
    kill_holder(app)
    assert push.wait(30) != 0
    wait_until(lambda: statuses(repository) == ["failed", "live"])
    assert node.request(repository.app).text.startswith("one")
    assert not app.release(2).source.exists()
    repository.commit("Cured", plain_files("three"))
    said = repository.push()
    assert said.status == 0, said.all
    assert node.request(repository.app).text.startswith("three")


@pytest.mark.parametrize("victim", ["the session", "the session and what forks it"])
def test_killed_while_the_new_web_process_starts_its_processes_end(node: LiveNode, live_app: Make, victim: str) -> None:
    repository = live_app()
    app = node.layout.app(repository.app)
    slow = "import time\ntime.sleep(8)\n" + plain_files("two")["app.py"]
    repository.commit("Slow", {"app.py": slow})
    push = start_push(repository)
    wait_until(lambda: any(".v2." in name for name in programs(node, app)))
    forker = Supervisor(node.layout).state("sessions")
    assert forker and forker.pid
    if victim != "the session":
        os.kill(forker.pid, signal.SIGSTOP)  # so that it does not see the end of the other
    kill_holder(app)
    if victim != "the session":
        os.kill(forker.pid, signal.SIGKILL)
    push.wait(30)
    wait_until(lambda: not any(".v2." in name for name in programs(node, app)))
    assert node.request(repository.app).text.startswith("one")


def test_killed_after_activation_the_workers_follow(node: LiveNode, live_app: Make) -> None:
    worker = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(2), sys.exit(0)))\n"
        "while True: time.sleep(1)\n"
    )
    files = plain_files() | {"worker.py": worker, "Procfile": "web: gunicorn app:app\nworker: python worker.py\n"}
    repository = live_app(files)
    app = node.layout.app(repository.app)
    wait_until(lambda: f"{repository.app}.worker.1.v1.1" in programs(node, app))
    time.sleep(0.5)  # the worker's handler must be in place
    repository.commit("Second", {"app.py": plain_files("two")["app.py"]})
    push = start_push(repository)
    wait_until(lambda: app.live_number() == 2)
    kill_holder(app)
    push.wait(30)
    assert node.request(repository.app).text.startswith("two")
    wait_until(lambda: programs(node, app) == {f"{repository.app}.web.1.v2.1", f"{repository.app}.worker.1.v2.1"})
    assert statuses(repository) == ["live", "superseded"]


def test_a_pusher_who_goes_away_during_the_build_cancels_it(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    app = node.layout.app(repository.app)
    slow = {"setup.py": "import time\ntime.sleep(30)\n", "requirements.txt": "gunicorn\n./\n"}
    repository.commit("Slow build", slow)
    push = start_push(repository)
    wait_until(lambda: holder_of_build(app) is not None)
    time.sleep(0.3)
    os.killpg(push.pid, signal.SIGKILL)
    push.wait()
    wait_until(lambda: holder_of_build(app) is None)
    assert statuses(repository) == ["live"]
    assert len(list(app.slugs.iterdir())) == 1


def test_a_pusher_who_goes_away_during_the_release_command_does_not_stop_it(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    app = node.layout.app(repository.app)
    repository.commit("Slow", plain_files("two") | {"Procfile": "web: gunicorn app:app\nrelease: sleep 1.5\n"})
    push = start_push(repository)
    wait_until(lambda: app.release(2).record.exists())
    time.sleep(0.3)
    os.killpg(push.pid, signal.SIGKILL)
    push.wait()
    wait_until(lambda: app.live_number() == 2)
    assert node.request(repository.app).text.startswith("two")
    wait_until(lambda: holder(app) is None)
    assert repository.git("ls-remote", "toppcloud", "main").split()[0] == repository.git("rev-parse", "HEAD")


def test_builds_cancel_ends_a_build_and_a_second_push_is_told_of_the_first(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    app = node.layout.app(repository.app)
    slow = {"setup.py": "import time\ntime.sleep(30)\n", "requirements.txt": "gunicorn\n./\n"}
    repository.commit("Slow build", slow)
    push = start_push(repository)
    wait_until(lambda: holder_of_build(app) is not None)
    second = repository.push()
    assert second.status == 1
    assert "is being built already" in second.err
    assert "builds:cancel" in second.err
    assert repository.toppcloud("builds:cancel").status == 0
    assert push.wait(20) == 1
    assert statuses(repository) == ["live"]
    assert repository.toppcloud("builds:cancel").status == 1


def test_config_is_not_blocked_by_a_build_and_the_build_freezes_with_it(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    app = node.layout.app(repository.app)
    wait = {"setup.py": "import time\ntime.sleep(3)\nfrom setuptools import setup\nsetup(name='x', py_modules=[])\n"}
    repository.commit("Slow build", wait | {"requirements.txt": "gunicorn\n./\n"})
    push = start_push(repository)
    wait_until(lambda: holder_of_build(app) is not None)
    said = repository.toppcloud("config:set", "MARK=meanwhile")
    assert said.status == 0, said.all
    assert holder_of_build(app) is not None
    assert push.wait(60) == 0
    assert push.stderr is not None
    assert "config changed during the build: MARK" in push.stderr.read().decode()
    assert node.request(repository.app).text == "one mark=meanwhile;"


def test_after_kill_9_of_every_process_a_start_brings_all_back(tmp_path: Path) -> None:
    node = LiveNode.in_new_folder()
    try:
        node.start()
        repository = node.repository("phoenix", plain_files() | {"toppcloud.toml": "[services]\npostgres = true\n"})
        assert repository.push().status == 0
        assert repository.toppcloud("config:set", "MARK=kept").status == 0
        assert repository.toppcloud("pg:psql", "-c", "create table t as select 7 as x").status == 0
        for pid in pids_of(node):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not pids_of(node))
        assert node.node("status").status == 1
        node.start()
        assert node.node("status").status == 0
        assert node.request("phoenix").text == "one mark=kept;"
        assert " 7" in repository.toppcloud("pg:psql", "-c", "select x from t").out
        assert node.node("stop").status == 0
        assert pids_of(node) == []
        node.start()
        assert node.request("phoenix").text == "one mark=kept;"
    finally:
        node.remove()


def start_push(repository: Repository) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["git", "push", "toppcloud", "main"],
        cwd=repository.path,
        env=repository.node.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def holder(app: AppLayout) -> int | None:
    found = read_holder(app.release_lock)
    return found.pid if found else None


def holder_of_build(app: AppLayout) -> int | None:
    found = read_holder(app.build_lock)
    return found.pid if found else None


def kill_holder(app: AppLayout) -> None:
    pid = holder(app)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def programs(node: LiveNode, app: AppLayout) -> set[str]:
    return set(Supervisor(node.layout).states(prefix=f"{app.name}."))


def statuses(repository: Repository) -> list[str]:
    return [entry["status"] for entry in json.loads(repository.toppcloud("releases", "--json").out)]


def pids_of(node: LiveNode) -> list[int]:
    """Every process of the node: its root stands in the command line or is where it runs."""
    found = []
    for path in Path("/proc").iterdir():
        if not path.name.isdigit() or int(path.name) == os.getpid():
            continue
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace")
            place = str((path / "cwd").readlink())
        except OSError:
            continue
        if words and (str(node.root) in words or place.startswith(str(node.root))):
            found.append(int(path.name))
    return found


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
