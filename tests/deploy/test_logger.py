"""Every line arrives once, whole and labelled, whatever floods, dies or rotates."""

from __future__ import annotations

import threading

import pytest

from deploy.app_log import AppLog, match_process
from deploy.logger import render_lines, split_lines
from deploy.rotating_file import RotatingFile
from deploy.start_key import StartKey


def test_lines_are_split_and_the_last_part_waits():
    assert split_lines(b"one\ntwo\nthr") == ([b"one", b"two"], b"thr")
    assert split_lines(b"\n\n") == ([b"", b""], b"")


def test_line_that_is_too_long_is_cut_and_loses_nothing():
    lines, rest = split_lines(b"x" * 100_000)
    assert rest == b""
    assert len(lines) > 1
    assert b"".join(lines) == b"x" * 100_000


def test_lines_carry_time_release_and_process():
    text = render_lines([b"hello\r", b""], b"v12 web.1", 1795358704.123)
    assert text == b"2026-11-22T14:45:04.123Z v12 web.1 hello\n2026-11-22T14:45:04.123Z v12 web.1 \n"


def test_files_rotate_and_the_oldest_goes(tmp_path):
    file = RotatingFile(tmp_path / "app.log", largest_bytes=100, kept_files=3)
    for number in range(20):
        file.append(b"line %02d of twenty bytes\n" % number)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names in (["app.log", "app.log.1", "app.log.2"], ["app.log.1", "app.log.2"])
    text = b"".join((tmp_path / name).read_bytes() for name in reversed(names))
    numbers = [int(line.split()[1]) for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 20))


def test_log_that_was_removed_is_made_anew(tmp_path):
    file = RotatingFile(tmp_path / "app.log")
    file.append(b"one\n")
    (tmp_path / "app.log").unlink()
    file.append(b"two\n")
    assert (tmp_path / "app.log").read_bytes() == b"two\n"


def test_log_is_never_written_through_a_link(tmp_path):
    (tmp_path / "secret").write_text("safe")
    (tmp_path / "app.log").symlink_to("secret")
    RotatingFile(tmp_path / "app.log").append(b"x\n")
    assert (tmp_path / "secret").read_text() == "safe"


LINES = [b"t v1 web.1 a\n", b"t v1 worker.1 b\n", b"t v1 web.2 c\n", b"t v1 web.1.relay d\n", b"t v1 website.1 e\n"]


@pytest.mark.parametrize(
    ("process", "letters"), [(None, "abcde"), ("web", "acd"), ("web.1", "ad"), ("worker", "b"), ("none", "")]
)
def test_process_is_matched_by_type_or_name(tmp_path, process, letters):
    path = tmp_path / "app.log"
    path.write_bytes(b"".join(LINES))
    lines, _ = AppLog(path, match_process(process)).last_lines(10)
    assert "".join(line.decode()[-2] for line in lines) == letters


def test_newest_lines_are_taken_over_rotated_files(tmp_path):
    (tmp_path / "app.log.2").write_bytes(b"t v1 web.1 1\nt v1 web.1 2\n")
    (tmp_path / "app.log.1").write_bytes(b"t v1 web.1 3\n")
    (tmp_path / "app.log").write_bytes(b"t v1 web.1 4\n")
    log = AppLog(tmp_path / "app.log", match_process(None))
    assert b"".join(log.last_lines(3)[0]).split()[3::4] == [b"2", b"3", b"4"]
    assert log.last_lines(0)[0] == []
    assert AppLog(tmp_path / "no.log", match_process(None)).last_lines(3)[0] == []


def test_tail_goes_on_over_rotations_without_losing_or_repeating_a_line(tmp_path):
    path = tmp_path / "app.log"
    file = RotatingFile(path, largest_bytes=2000, kept_files=3)
    file.append(b"t v1 web.1 before\n")
    log = AppLog(path, match_process("web"))
    lines, position = log.last_lines(5)
    assert len(lines) == 1
    seen: list[bytes] = []

    def follow() -> None:
        for some in log.follow(position, lambda: bool(seen) and seen[-1].endswith(b" 299\n")):
            seen.extend(some)

    tail = threading.Thread(target=follow)
    tail.start()
    for number in range(300):
        file.append(b"t v1 web.1 %d\n" % number)
        while number % 50 == 49 and len(seen) <= number:
            pass  # the reader is never more than two files behind
    tail.join()
    assert [int(line.split()[3]) for line in seen] == list(range(300))


@pytest.mark.node
def test_output_survives_the_loggers_death_without_a_gap(tiny_node, make_app, until):
    app = make_app(tiny_node, "prints")
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exec sleep 100"
    app.run(StartKey("prints", 1, 1), argv=["/bin/sh", "-c", script])
    for _ in range(3):
        tiny_node.kill("logger")
    until(lambda: "line 2999\n" in app.log())
    numbers = [int(line.split()[-1]) for line in app.log().splitlines()]
    assert numbers == list(range(3000))
    tiny_node.supervisor.remove("prints.web.1.v1.1")


@pytest.mark.node
def test_flood_is_bounded_and_others_are_heard(tiny_node, make_app, until):
    flood, quiet = make_app(tiny_node, "flood"), make_app(tiny_node, "quiet")
    flood.run(StartKey("flood", 1, 1), argv=["/bin/sh", "-c", "exec yes a line of a flood"])
    folder = tiny_node.layout.app("flood").log
    until(lambda: (folder / "app.log.2").exists())
    quiet.run(StartKey("quiet", 1, 1), argv=["/bin/sh", "-c", "echo heard; exec sleep 100"])
    until(lambda: "heard" in quiet.log())
    until(lambda: (folder / "app.log.2").exists())
    assert sum(path.stat().st_size for path in folder.iterdir()) < 50_000_000
    tiny_node.supervisor.remove("flood.web.1.v1.1")
    tiny_node.supervisor.remove("quiet.web.1.v1.1")


@pytest.mark.node
def test_prompt_without_a_newline_is_shown(tiny_node, make_app, until):
    app = make_app(tiny_node, "prompt")
    app.run(StartKey("prompt", 1, 1), argv=["/bin/sh", "-c", "printf 'name? '; exec sleep 100"])
    until(lambda: "name?" in app.log())
    tiny_node.supervisor.remove("prompt.web.1.v1.1")


@pytest.mark.node
def test_pipe_of_a_start_that_is_gone_is_removed(tiny_node, make_app, until):
    app = make_app(tiny_node, "pipes")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    pipe = tiny_node.layout.output_pipe("pipes.web.1.v1.1")
    assert pipe.is_fifo()
    app.go_live(2)
    app.wait_until_up("v2.1")
    app.retire(key)
    until(lambda: not pipe.exists())
