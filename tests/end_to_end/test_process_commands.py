"""What people see of an app that sleeps, crashes, is scaled, or does not fit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from benchmarks.live_node import LiveNode, Repository
from deploy.doorman_client import DoormanClient
from deploy.memory_sizes import read_sizes
from deploy.node_status import read_status
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]
LIMIT_S = 30.0
WORKER = {"Procfile": "web: gunicorn app:app\nworker: sleep 1000\n"}


def ps(repository: Repository) -> list[dict]:
    rows: list[dict] = json.loads(repository.toppcloud("ps", "--json").out)
    return [row for row in rows if row["state"] != "draining"]


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def app_state(node: LiveNode, app: str) -> str:
    return next(found.state for found in read_status(node.layout).apps if found.name == app)


def test_app_that_was_put_to_sleep_is_shown_asleep_and_looking_does_not_wake_it(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    said = repository.toppcloud("ps:sleep")
    assert said.status == 0, said.all
    assert "wakes it" in said.out
    (row,) = ps(repository)
    assert (row["process"], row["state"], row["pid"], row["memory_bytes"]) == ("web.1", "asleep", None, 0)
    shown = repository.toppcloud("ps").out
    assert "asleep since" in shown
    assert "Sleeps after 30 min without a visit (ps:idle)" in shown
    assert app_state(node, repository.app) == "asleep"
    assert DoormanClient(node.layout).states()[repository.app].state == "asleep"
    assert node.request(repository.app).text.startswith("one")
    wait_until(lambda: [row["state"] for row in ps(repository)] == ["awake"])
    assert app_state(node, repository.app) == "awake"
    assert read_sizes(node.layout.app(repository.app))["web"].grown_bytes > 1_000_000


def test_idle_time_is_set_shown_refused_and_taken_back(node: LiveNode, live_app: Make) -> None:
    repository = live_app({**plain_files(), "toppcloud.toml": '[web]\nidle = "2h"\n'})
    assert "sleeps after 2 h without a visit ([web] idle)" in repository.toppcloud("ps:idle").out
    said = repository.toppcloud("ps:idle", "15m")
    assert "sleeps after 15 min without a visit (ps:idle)" in said.out
    assert "toppcloud ps:idle default" in said.out
    assert "never sleeps (ps:idle)" in repository.toppcloud("ps:idle", "never").out
    refused = repository.toppcloud("ps:idle", "soon")
    assert refused.status == 2
    assert "'soon' is no idle time." in refused.err
    assert "2 h" in repository.toppcloud("ps:idle", "default").out


def test_app_sleeps_by_itself_after_its_idle_time(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.toppcloud("ps:idle", "1s")
    wait_until(lambda: app_state(node, repository.app) == "asleep")
    assert node.request(repository.app).text.startswith("one")


def test_worker_that_runs_on_keeps_its_app_awake_unless_it_sleeps_too(node: LiveNode, live_app: Make) -> None:
    repository = live_app({**plain_files(), **WORKER})
    refused = repository.toppcloud("ps:sleep")
    assert refused.status == 1
    assert "worker" in refused.err
    assert "sleeps_with" in repository.toppcloud("ps:idle").out
    repository.commit("Sleep together", {"toppcloud.toml": '[web]\nsleeps_with = ["worker"]\n'})
    assert repository.push().status == 0
    wait_until(lambda: {row["state"] for row in ps(repository)} == {"awake", "up"})
    said = repository.toppcloud("ps:sleep")
    assert said.status == 0, said.all
    assert {(row["process"], row["state"]) for row in ps(repository)} == {("web.1", "asleep"), ("worker.1", "asleep")}
    assert node.request(repository.app).status == 200
    wait_until(lambda: {row["state"] for row in ps(repository)} == {"awake", "up"})


def test_crashing_worker_is_shown_with_its_next_try_and_its_last_lines(live_app: Make) -> None:
    code = "import sys\nprint('connecting')\nsys.exit('no broker at all')\n"
    procfile = "web: gunicorn app:app\nworker: python crash.py\n"
    repository = live_app({**plain_files(), "Procfile": procfile, "crash.py": code})
    wait_until(lambda: any(row["next_try"] and row["last_lines"] for row in ps(repository)))
    row = next(row for row in ps(repository) if row["process"] == "worker.1")
    assert row["last_lines"][-1] == "no broker at all"
    assert row["starts"] > 2
    shown = repository.toppcloud("ps").out
    assert "worker.1" in shown
    assert "    no broker at all" in shown


def test_scaled_gunicorn_has_more_workers_and_no_second_gunicorn(live_app: Make) -> None:
    repository = live_app()
    repository.toppcloud("config:set", "WEB_CONCURRENCY=1")
    said = repository.toppcloud("ps:scale", "web=3")
    assert said.status == 0, said.all
    wait_until(lambda: [(row["process"], row["workers"]) for row in ps(repository)] == [("web.1", 3)])


def test_scale_that_the_node_cannot_hold_is_refused_with_the_arithmetic_and_changes_nothing(
    node: LiveNode, live_app: Make
) -> None:
    repository = live_app()
    wait_until(lambda: node.layout.app(repository.app).memory.exists())
    node.layout.app(repository.app).memory.write_text(
        json.dumps({"web": {"count": 1, "fresh_bytes": 10**14, "grown_bytes": 10**14}})
    )
    assert repository.toppcloud("ps:sleep").status == 0
    node.layout.app(repository.app).memory.write_text(
        json.dumps({"web": {"count": 1, "fresh_bytes": 10**14, "grown_bytes": 10**14}})
    )
    refused = repository.toppcloud("ps:scale", "web=2")
    assert refused.status == 1
    assert "cannot hold" in refused.err
    assert "2 more web" in refused.err
    assert "(remembered)" in refused.err
    assert "web  1" in repository.toppcloud("ps:scale").out
    assert [row["state"] for row in ps(repository)] == ["asleep"]
    pushed = repository.commit("Two", plain_files("two")) and repository.push()
    assert pushed.status == 1
    assert "not enough memory" in pushed.err
    assert repository.push("-o", "no-check", "toppcloud", "main").status == 0
    assert node.request(repository.app).text.startswith("two")


def test_scaling_workers_touches_neither_web_nor_those_that_stay(node: LiveNode, live_app: Make) -> None:
    repository = live_app({**plain_files(), **WORKER})
    before = {row["process"]: row["pid"] for row in ps(repository)}
    assert repository.toppcloud("ps:scale", "worker=3").status == 0
    now = {row["process"]: row["pid"] for row in ps(repository)}
    assert sorted(now) == ["web.1", "worker.1", "worker.2", "worker.3"]
    assert {name: now[name] for name in before} == before
    assert repository.toppcloud("ps:scale", "worker=1").status == 0
    assert {row["process"]: row["pid"] for row in ps(repository)} == before
    assert repository.toppcloud("ps:restart").status == 0
    assert sorted(row["process"] for row in ps(repository)) == ["web.1", "worker.1"]


def test_workers_that_sleep_wake_as_many_as_they_were_scaled_to(node: LiveNode, live_app: Make) -> None:
    toml = {"toppcloud.toml": '[web]\nsleeps_with = ["worker"]\n'}
    repository = live_app({**plain_files(), **WORKER, **toml})
    for count in (3, 2):
        assert repository.toppcloud("ps:sleep").status == 0
        assert repository.toppcloud("ps:scale", f"worker={count}").status == 0
        assert {row["state"] for row in ps(repository)} == {"asleep"}
        assert node.request(repository.app).text.startswith("one")
        wait_until(lambda: {row["state"] for row in ps(repository)} <= {"awake", "up"})
        assert sum(row["process"].startswith("worker") for row in ps(repository)) == count
