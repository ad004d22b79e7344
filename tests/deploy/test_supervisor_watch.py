"""supervisord is killed, and its successor takes over what runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.process_record import read_process, read_processes
from deploy.supervisor_watch import SupervisorWatch
from toppcloud.lock import hold_lock

pytestmark = pytest.mark.node


@pytest.fixture
def add(tiny_node, until):
    """Write a program's INI file, add and start it, let it become itself; its name."""

    def write(name: str, command: str, more: str = "", *, waits: bool = True) -> str:
        path = tiny_node.root / "cache" / f"{name}.ini"
        path.write_text(
            f"[program:{name}]\ncommand={command}\nautostart=false\nautorestart=true\nstartsecs=0\nkillasgroup=true\n{more}"
        )
        tiny_node.supervisor.add(path)
        tiny_node.supervisor.start(name)
        if waits:
            until(lambda: find_processes(name))
        return name

    yield write
    for name in tiny_node.supervisor.states("test."):
        tiny_node.supervisor.remove(name)


@pytest.fixture
def kill_supervisord(tiny_node, until):
    """kill -9, and optionally wait until its successor answers."""

    def kill(*, waits: bool = True) -> None:
        before = tiny_node.supervisor.read_pid()
        os.kill(before, signal.SIGKILL)
        if waits:
            until(lambda: tiny_node.supervisor.read_pid() != before)

    return kill


def test_running_programs_are_adopted_with_their_pids_and_start_times(tiny_node, add, kill_supervisord):
    name = add("test.adopted", "/bin/sleep 100")
    before = tiny_node.supervisor.states()
    kill_supervisord()
    after = tiny_node.supervisor.states()
    assert {n: s.pid for n, s in after.items()} == {n: s.pid for n, s in before.items()}
    assert all(state.state == "RUNNING" for state in after.values())
    assert abs(after[name].started_at - before[name].started_at) < 1


def test_adopted_program_that_is_killed_is_started_again(tiny_node, add, kill_supervisord, until):
    name = add("test.mended", "/bin/sleep 100")
    kill_supervisord()
    before = tiny_node.pid(name)
    os.kill(before, signal.SIGKILL)
    until(lambda: (state := tiny_node.supervisor.state(name)).is_running and state.pid != before)
    assert tiny_node.supervisor.state(name).exit_status is None  # the one who was told is dead


def test_adopted_program_can_be_stopped_started_and_removed(tiny_node, add, kill_supervisord):
    name = add("test.handled", "/bin/sleep 100")
    kill_supervisord()
    before = tiny_node.pid(name)
    tiny_node.supervisor.stop(name)
    assert tiny_node.supervisor.state(name).state == "STOPPED"
    tiny_node.supervisor.start(name)
    assert tiny_node.pid(name) != before
    tiny_node.supervisor.remove(name)
    assert read_process(tiny_node.layout.pids, name) is None


def test_group_of_an_adopted_program_ends_with_it(tiny_node, add, kill_supervisord, until, tmp_path):
    script = tiny_node.root / "cache" / "family.sh"
    script.write_text(f"sleep 100 & echo $! > {tmp_path}/child; wait\n")
    name = add("test.family", f"/bin/sh {script}", "stopasgroup=true\n")
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())
    kill_supervisord()
    tiny_node.supervisor.remove(name)
    until(lambda: is_dead(child))


def test_program_that_died_without_a_supervisord_is_started_again_once(tiny_node, add, kill_supervisord, until):
    name = add("test.unseen", "/bin/sleep 100")
    dead = tiny_node.pid(name)
    with hold_lock(tiny_node.layout.node_lock, by="test", doing="keeping the doorman from it"):
        kill_supervisord(waits=False)
        os.kill(dead, signal.SIGKILL)
        until(lambda: is_dead(dead))
    until(lambda: tiny_node.supervisor.state(name).is_running)
    assert tiny_node.pid(name) != dead
    assert len(find_processes(name)) == 1


def test_workers_of_a_leader_that_died_unseen_end_before_the_next_begins(
    tiny_node, add, kill_supervisord, until, tmp_path
):
    script = tiny_node.root / "cache" / "orphans.sh"
    script.write_text(f"(trap 'echo ended >> {tmp_path}/story; exit' TERM; while :; do sleep 0.05; done) &\n")
    script.write_text(f"echo began >> {tmp_path}/story\n{script.read_text()}wait\n")
    name = add("test.orphans", f"/bin/sh {script}")
    until((tmp_path / "story").exists)
    leader = tiny_node.pid(name)
    with hold_lock(tiny_node.layout.node_lock, by="test", doing="keeping the doorman from it"):
        kill_supervisord(waits=False)
        os.kill(leader, signal.SIGKILL)
        until(lambda: is_dead(leader))
    until(lambda: (tmp_path / "story").read_text().count("began") == 2)
    assert (tmp_path / "story").read_text().splitlines() == ["began", "ended", "began"]


def test_stop_that_was_under_way_is_finished_and_not_taken_for_a_crash(
    tiny_node, add, kill_supervisord, until, tmp_path
):
    script = tiny_node.root / "cache" / "slow.sh"
    script.write_text(
        f"trap 'echo told >> {tmp_path}/story; sleep 1; exit' TERM; echo began >> {tmp_path}/story\n"
        "while :; do sleep 0.05; done\n"
    )
    name = add("test.draining", f"/bin/sh {script}")
    until((tmp_path / "story").exists)
    tiny_node.supervisor.stop(name, wait=False)
    kill_supervisord()
    until(lambda: tiny_node.supervisor.state(name).state == "STOPPED")
    assert (tmp_path / "story").read_text().splitlines() == ["began", "told"]


def test_program_that_was_just_started_runs_once_whenever_the_kill_comes(tiny_node, add, kill_supervisord, until):
    name = "test.instant"
    for _ in range(5):
        add(name, "/bin/sleep 100", waits=False)
        kill_supervisord()
        until(lambda: tiny_node.supervisor.state(name).is_running)
        until(lambda: find_processes(name) == [tiny_node.pid(name)])
        tiny_node.supervisor.remove(name)


def test_stopped_and_failing_programs_are_what_they_were(tiny_node, add, kill_supervisord, until):
    stopped = add("test.stopped", "/bin/sleep 100")
    tiny_node.supervisor.stop(stopped)
    failing = add("test.failing", "/bin/sh -c 'exit 7'", waits=False)
    until(lambda: tiny_node.supervisor.state(failing).state == "BACKOFF")
    kill_supervisord()
    assert tiny_node.supervisor.state(stopped).state == "STOPPED"
    until(lambda: tiny_node.supervisor.state(failing).state == "BACKOFF")


def test_program_that_was_added_and_never_started_is_still_known(tiny_node, kill_supervisord):
    path = tiny_node.root / "cache" / "test.added.ini"
    path.write_text("[program:test.added]\ncommand=/bin/sleep 100\nautostart=false\nstartsecs=0\n")
    tiny_node.supervisor.add(path)
    kill_supervisord()
    assert tiny_node.supervisor.state("test.added").state == "STOPPED"
    tiny_node.supervisor.start("test.added")
    assert tiny_node.supervisor.state("test.added").is_running
    tiny_node.supervisor.remove("test.added")


def test_process_whose_program_is_gone_from_the_disk_is_ended(tiny_node, add, kill_supervisord, until):
    name = add("test.abandoned", "/bin/sleep 100")
    pid = tiny_node.pid(name)
    (tiny_node.root / "cache" / f"{name}.ini").unlink()
    kill_supervisord()
    assert tiny_node.supervisor.state(name) is None
    until(lambda: is_dead(pid))


def test_calls_wait_for_the_successor(tiny_node, add, kill_supervisord):
    name = add("test.called", "/bin/sleep 100")
    for _ in range(3):
        kill_supervisord(waits=False)
        tiny_node.supervisor.stop(name)
        tiny_node.supervisor.start(name)
        assert tiny_node.supervisor.state(name).is_running


def test_a_killed_supervisord_and_doorman_both_come_back_with_node_start(tiny_node, make_app, until):
    app = make_app(tiny_node, "both")
    app.go_live(1)
    app.wait_until_up("v1.1")
    before = {r.name: r.pid for r in read_processes(tiny_node.layout.pids) if r.is_alive}
    for name in ("doorman", "supervisord"):
        os.kill(before[name], signal.SIGSTOP)
    for name in ("doorman", "supervisord"):
        os.kill(before[name], signal.SIGKILL)
    assert tiny_node.get(app.host).text == "v1.1"
    assert tiny_node.start() is True
    after = {r.name: r.pid for r in read_processes(tiny_node.layout.pids) if r.is_alive}
    assert {n for n in before if before[n] != after[n]} == {"doorman", "supervisord"}
    assert tiny_node.get(app.host).text == "v1.1"


def test_orderly_stop_is_left_alone(stopped_node, until):
    stopped_node.start()
    pid = stopped_node.supervisor.read_pid()
    os.kill(pid, signal.SIGTERM)
    until(lambda: is_dead(pid))
    record = read_process(stopped_node.layout.pids, "supervisord")
    assert record.is_stopping
    assert not SupervisorWatch(stopped_node.layout).restart()
    assert not stopped_node.supervisor.is_running()


def test_child_whose_supervisord_dies_before_it_could_record_itself_does_not_live_on(tmp_path):
    (tmp_path / "run" / "pids").mkdir(parents=True)
    program = "\n".join(
        [
            "import os, signal, time",
            "from deploy import program_child",
            "program_child.record_process = lambda *_: (open('looked', 'w').close(), time.sleep(60))",
            "parent, pid = os.getpid(), os.fork()",
            "if pid == 0: program_child.prepare_child('test.early', '', parent)",
            "print(pid, flush=True)",
            "time.sleep(60)",
        ]
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        while not (tmp_path / "looked").exists():
            assert not is_dead(child)
        parent.kill()
    while not is_dead(child):
        pass


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def find_processes(name: str) -> list[int]:
    """Processes that supervisord spawned under that name and that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SUPERVISOR_PROCESS_NAME={name}\0".encode() in path.read_bytes() and not is_dead(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture
def events(tiny_node):
    """What the doorman would hear: all of it, in its place."""
    path = tiny_node.layout.doorman_events
    kept = path.with_suffix(".kept")
    if path.exists():
        path.rename(kept)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(path))
        ear.settimeout(20)
        yield lambda name: next(
            event for _ in range(1000) if (event := json.loads(ear.recv(4096)))["program"].startswith(name)
        )
    path.unlink()
    if kept.exists():
        kept.rename(path)


def test_each_start_and_each_end_is_told(tiny_node, add, events):
    name = add("test.told", "/bin/sleep 100")
    assert events(name) == {
        "program": name, "event": "started", "status": None, "asked": False, "until": 0.0, "spawns": 1,
    }  # fmt: skip
    os.kill(tiny_node.pid(name), signal.SIGKILL)
    ended = events(name)
    assert (ended["event"], ended["status"], ended["asked"], ended["spawns"]) == ("exited", -9, False, 1)
    assert events(name)["spawns"] == 2
    tiny_node.supervisor.stop(name)
    ended = events(name)
    assert (ended["event"], ended["status"], ended["asked"], ended["until"]) == ("exited", -15, True, 0)


def test_end_in_a_crash_loop_is_told_with_the_moment_of_the_next_try(tiny_node, add, events):
    name = add("test.looping", "/bin/sh -c 'exit 7'", waits=False)
    story = [events(name) for _ in range(6)]
    assert [event["event"] for event in story] == ["started", "exited"] * 3
    assert story[-1]["until"] > tiny_node.supervisor.state(name).started_at
    assert story[-1]["status"] == 7
