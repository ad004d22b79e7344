"""Programs that come and go under a real supervisord."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from deploy.program_child import DESCRIPTORS
from deploy.supervisor_program import choose_delay_s
from toppcloud.errors import ToppcloudError


@pytest.fixture
def add(tiny_node):
    """Write a program's INI file and add it; its name."""

    def write(name: str, command: str, more: str = "") -> str:
        path = tiny_node.root / "cache" / f"{name}.ini"
        path.write_text(
            f"[program:{name}]\ncommand={command}\nautostart=false\nautorestart=true\nstartsecs=0\nkillasgroup=true\n{more}"
        )
        tiny_node.supervisor.add(path)
        return name

    yield write
    for name in tiny_node.supervisor.states("test."):
        tiny_node.supervisor.remove(name)


def test_delays_grow_from_none_to_half_a_minute():
    assert [choose_delay_s(n) for n in range(10)] == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.node
def test_killed_program_is_started_again_and_counted(tiny_node, add, until):
    name = add("test.killed", "/bin/sleep 100")
    tiny_node.supervisor.start(name)
    first = tiny_node.supervisor.state(name)
    assert (first.state, first.spawns, first.exit_status) == ("RUNNING", 1, None)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: tiny_node.supervisor.state(name).spawns == 2)
    second = tiny_node.supervisor.state(name)
    assert second.is_running
    assert second.exit_status == -signal.SIGKILL


@pytest.mark.node
def test_program_that_exits_at_start_is_tried_three_times_at_once_and_then_backs_off(tiny_node, add, until):
    name = add("test.crashing", "/bin/sh -c 'exit 7'")
    tiny_node.supervisor.start(name)
    until(lambda: tiny_node.supervisor.state(name).state == "BACKOFF")
    state = tiny_node.supervisor.state(name)
    assert (state.spawns, state.exit_status) == (3, 7)
    tiny_node.supervisor.stop(name)
    assert tiny_node.supervisor.state(name).state == "STOPPED"


@pytest.mark.node
def test_stopped_program_stays_stopped_and_can_be_replaced(tiny_node, add):
    name = add("test.replaced", "/bin/sleep 100")
    tiny_node.supervisor.start(name)
    tiny_node.supervisor.stop(name)
    assert tiny_node.supervisor.state(name).state == "STOPPED"
    add("test.replaced", "/bin/sh -c 'exec sleep 200'")
    assert tiny_node.supervisor.state(name).spawns == 0
    tiny_node.supervisor.start(name)
    pid = tiny_node.supervisor.state(name).pid
    add("test.replaced", "/bin/false")
    assert tiny_node.supervisor.state(name).pid == pid


@pytest.mark.node
def test_stop_waits_for_the_whole_group(tiny_node, add, tmp_path, until):
    script = tiny_node.root / "cache" / "group.sh"
    script.write_text(
        f"(trap 'sleep 0.3; touch {tmp_path}/drained; exit' TERM; touch {tmp_path}/ready; sleep 100 & wait) & wait\n"
    )
    name = add("test.group", f"/bin/sh {script}", "stopasgroup=true\nstopwaitsecs=10\n")
    tiny_node.supervisor.start(name)
    until((tmp_path / "ready").exists)
    tiny_node.supervisor.stop(name)
    assert (tmp_path / "drained").exists()


@pytest.mark.node
def test_program_that_ignores_sigterm_is_killed_after_its_limit(tiny_node, add, until):
    name = add("test.stubborn", "/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'", "stopwaitsecs=1\n")
    tiny_node.supervisor.start(name)
    pid = tiny_node.supervisor.state(name).pid
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sh\n")
    tiny_node.supervisor.remove(name)
    assert tiny_node.supervisor.state(name) is None


@pytest.mark.node
@pytest.mark.parametrize("more", ["", "stopasgroup=true\n"])
def test_frozen_group_stops_as_it_would_have_awake(tiny_node, add, until, tmp_path, more):
    story = tmp_path / "story"
    script = tiny_node.root / "cache" / "frozen.sh"
    script.write_text(
        f"trap 'echo told >> {story}; exit' TERM; echo began >> {story}; sleep 100 & while :; do wait; done\n"
    )
    name = add("test.frozen", f"/bin/sh {script}", f"stopwaitsecs=20\n{more}")
    tiny_node.supervisor.start(name)
    until(story.exists)
    pid = tiny_node.supervisor.state(name).pid
    os.killpg(pid, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "T")
    tiny_node.supervisor.stop(name)
    assert story.read_text().splitlines() == ["began", "told"]


@pytest.mark.node
def test_programs_may_open_many_files_but_not_any_number(tiny_node, add, until):
    name = add("test.limits", "/bin/sleep 100")
    tiny_node.supervisor.start(name)
    pid = tiny_node.supervisor.state(name).pid
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
    soft, hard = read_limits(pid)
    assert soft == min(hard, DESCRIPTORS)
    soft, hard = read_limits(tiny_node.supervisor.read_pid())
    assert soft == hard


def read_limits(pid: int) -> tuple[int, int]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next((int(line.split()[3]), int(line.split()[4])) for line in lines if line.startswith("Max open files"))


@pytest.mark.node
def test_removed_program_is_not_started_again(tiny_node, add):
    name = add("test.removed", "/bin/sh -c 'exit 1'")
    tiny_node.supervisor.start(name)
    tiny_node.supervisor.remove(name)
    assert "test.removed" not in tiny_node.supervisor.states()
    assert tiny_node.supervisor.state(name) is None
    tiny_node.supervisor.remove(name)


@pytest.mark.node
def test_states_are_those_of_the_prefix(tiny_node, add):
    for name in ("test.one", "test.one-more", "test.two"):
        add(name, "/bin/sleep 1")
    assert set(tiny_node.supervisor.states("test.one.")) == set()
    assert set(tiny_node.supervisor.states("test.one")) == {"test.one", "test.one-more"}


@pytest.mark.node
def test_broken_program_file_is_refused_with_its_reason(tiny_node, add):
    with pytest.raises(ToppcloudError, match="refused add") as refusal:
        add("test.broken", "/bin/sleep %(nothing)s")
    assert "nothing" in refusal.value.why


@pytest.mark.node
def test_unknown_program_cannot_be_started(tiny_node):
    with pytest.raises(ToppcloudError):
        tiny_node.supervisor.start("test.unknown")


@pytest.mark.node
def test_program_that_does_not_exist_is_told_apart(tiny_node, add, until):
    name = add("test.absent", "/no/such/program")
    tiny_node.supervisor.start(name)
    assert not tiny_node.supervisor.state(name).is_running
    tiny_node.supervisor.remove(name)


def test_call_to_a_node_that_does_not_run_says_how_to_start_it(stopped_node):
    with pytest.raises(ToppcloudError, match="does not run") as refusal:
        stopped_node.supervisor.states()
    assert "toppcloud node start" in refusal.value.cure
    assert not stopped_node.supervisor.is_running()


@pytest.mark.node
def test_start_and_stop_do_not_wait_for_supervisords_second(tiny_node, add):
    name = add("test.quick", "/bin/sleep 100")
    began = time.monotonic()
    for _ in range(10):
        tiny_node.supervisor.start(name)
        tiny_node.supervisor.stop(name)
    assert time.monotonic() - began < 5  # ten times a second, had each had to wait for the next turn
