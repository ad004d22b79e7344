"""Every line arrives once, whole and labelled, whatever floods, dies or rotates."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from deploy.app_log import AppLog, match_lines
from deploy.output_pipe import OutputPipe, render_lines, split_lines
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
    assert names == ["app.log", "app.log.1", "app.log.2"]
    assert all((tmp_path / name).stat().st_size <= 100 for name in names)
    text = b"".join((tmp_path / name).read_bytes() for name in reversed(names))
    numbers = [int(line.split()[1]) for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 20))


def test_one_file_is_begun_anew_and_files_beyond_a_smaller_count_go(tmp_path):
    for number in (1, 2, 3):
        (tmp_path / f"app.log.{number}").touch()
    file = RotatingFile(tmp_path / "app.log", largest_bytes=10, kept_files=1)
    file.append(b"one line\n")
    file.append(b"two line\n")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"two line\n"]


def test_log_that_was_removed_is_made_anew(tmp_path):
    file = RotatingFile(tmp_path / "app.log", largest_bytes=100, kept_files=3)
    file.append(b"one\n")
    (tmp_path / "app.log").unlink()
    file.append(b"two\n")
    assert (tmp_path / "app.log").read_bytes() == b"two\n"


def test_log_is_never_written_through_a_link(tmp_path):
    (tmp_path / "secret").write_text("safe")
    (tmp_path / "app.log").symlink_to("secret")
    RotatingFile(tmp_path / "app.log", largest_bytes=100, kept_files=3).append(b"x\n")
    assert (tmp_path / "secret").read_text() == "safe"


LINES = [b"t v1 web.1 a\n", b"t v1 worker.1 b\n", b"t v2 web.2 c\n", b"t v12 web.1.relay d\n", b"t v1 website.1 e\n"]


@pytest.mark.parametrize(
    ("process", "release", "letters"),
    [
        (None, None, "abcde"),
        ("web", None, "acd"),
        ("web.1", None, "ad"),
        ("worker", None, "b"),
        ("none", None, ""),
        (None, 1, "abe"),
        ("web", 1, "a"),
        (None, 12, "d"),
        (None, 3, ""),
    ],
)
def test_lines_are_chosen_by_process_and_release(tmp_path, process, release, letters):
    path = tmp_path / "app.log"
    path.write_bytes(b"".join(LINES))
    lines, _ = AppLog(path, match_lines(process, release)).last_lines(10)
    assert "".join(line.decode()[-2] for line in lines) == letters


class TestFlood:
    """A pipe at moments of its own: what it is given, and what stands in the file."""

    @pytest.fixture
    def pipe(self, tmp_path):
        file = RotatingFile(tmp_path / "app.log", largest_bytes=10 * 1024**2, kept_files=3)
        reader, writer = os.pipe()
        yield OutputPipe("blog.web.1.v1.1", reader, tmp_path, b"v1 web.1", file)
        os.close(reader)
        os.close(writer)

    def read(self, pipe) -> list[str]:
        return [line.split(" ", 3)[3] for line in (pipe.folder / "app.log").read_text().splitlines()]

    def test_what_is_kept_and_what_is_dropped_is_all_that_was_printed(self, pipe):
        printed = 0
        for turn in range(40):
            lines = b"".join(b"line %d\n" % number for number in range(printed, printed + 10_000))
            printed += 10_000
            pipe.take(lines, 1000.0 + turn * 0.01)
        assert pipe.is_flooding
        pipe.settle(1001.0, patience_s=1.0)
        seen = self.read(pipe)
        note = next(index for index, line in enumerate(seen) if line.startswith("toppcloud:"))
        dropped = int(seen[note].split()[1])
        assert seen[:note] == [f"line {number}" for number in range(note)]
        newest = seen[note + 1 :]
        assert newest
        assert newest == [f"line {number}" for number in range(printed - len(newest), printed)]
        assert note + dropped + len(newest) == printed

    def test_lines_in_pieces_are_whole_after_a_flood(self, pipe):
        pipe.take(b"x" * 99 + b"\n" + b"flood\n" * 2_000_000 + b"begin", 1000.0)
        pipe.take(b" of a line", 1000.1)
        pipe.settle(1000.2, patience_s=1.0)
        pipe.take(b" that goes on\n", 1000.3)
        assert self.read(pipe)[-1] == "begin of a line that goes on"

    def test_flood_without_a_newline_takes_no_memory(self, pipe):
        for turn in range(20):
            pipe.take(b"x" * 1024**2, 1000.0 + turn * 0.001)
            assert len(pipe.rest) <= 32 * 1024
        pipe.settle(1001.0, patience_s=0.0)
        assert (pipe.folder / "app.log").stat().st_size < 5 * 1024**2

    def test_long_line_in_small_pieces_is_no_flood(self, pipe):
        for _ in range(30_000):
            pipe.take(b"x", 1000.0)
        pipe.take(b"\n", 1000.0)
        assert not pipe.is_flooding
        assert self.read(pipe) == ["x" * 30_000]

    def test_who_prints_moderately_for_long_loses_nothing(self, pipe):
        for second in range(60):
            pipe.take(b"a line of a moderate program\n" * 10_000, 1000.0 + second)
            assert not pipe.is_flooding


def test_newest_lines_are_taken_over_rotated_files(tmp_path):
    (tmp_path / "app.log.2").write_bytes(b"t v1 web.1 1\nt v1 web.1 2\n")
    (tmp_path / "app.log.1").write_bytes(b"t v1 web.1 3\n")
    (tmp_path / "app.log").write_bytes(b"t v1 web.1 4\n")
    log = AppLog(tmp_path / "app.log", match_lines(None))
    assert b"".join(log.last_lines(3)[0]).split()[3::4] == [b"2", b"3", b"4"]
    assert log.last_lines(0)[0] == []
    assert AppLog(tmp_path / "no.log", match_lines(None)).last_lines(3)[0] == []


def test_tail_goes_on_over_rotations_without_losing_or_repeating_a_line(tmp_path):
    path = tmp_path / "app.log"
    file = RotatingFile(path, largest_bytes=2000, kept_files=3)
    file.append(b"t v1 web.1 before\n")
    log = AppLog(path, match_lines("web"))
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


FLOOD = "import os\nline = b'a line of a flood\\n' * 4000\nwhile True: os.write(1, line)"


@pytest.mark.node
def test_floods_are_bounded_and_others_are_heard(tiny_node, make_app, until):
    floods = [make_app(tiny_node, f"flood-{word}") for word in ("one", "two", "three")]
    quiet = make_app(tiny_node, "quiet")
    for flood in floods:
        flood.run(StartKey(flood.name, 1, 1), argv=["/usr/bin/python3", "-S", "-c", FLOOD])
    for flood in floods:
        until(lambda flood=flood: "lines dropped" in flood.log())
    quiet.run(StartKey("quiet", 1, 1), argv=["/bin/sh", "-c", "echo heard and gone at once"])
    until(lambda: "heard and gone at once" in quiet.log())
    for flood in floods:
        tiny_node.supervisor.remove(f"{flood.name}.web.1.v1.1")
        folder = tiny_node.layout.app(flood.name).log
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 3 * 10 * 1024**2
    tiny_node.supervisor.remove("quiet.web.1.v1.1")


@pytest.mark.node
def test_last_words_of_a_flooding_program_are_kept(tiny_node, make_app, until):
    app = make_app(tiny_node, "last-words")
    script = (
        "i=0; while [ $i -lt 60 ]; do head -c 1000000 /dev/zero | tr '\\0' '\\n'; i=$((i+1)); done; echo last words"
    )
    app.run(StartKey("last-words", 1, 1), argv=["/bin/sh", "-c", f"{script}; exec sleep 100"])
    until(lambda: app.log().endswith(" last words\n"))
    assert "lines dropped, too many at once" in app.log()
    tiny_node.supervisor.remove("last-words.web.1.v1.1")


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


@pytest.mark.node
def test_words_that_a_program_says_while_the_node_stops_are_kept(stopped_node, make_app, until):
    stopped_node.start()
    app = make_app(stopped_node, "farewell")
    script = "trap 'sleep 0.5; echo good-bye; exit' TERM; echo ready; while :; do sleep 0.05; done"
    app.run(StartKey("farewell", 1, 1), argv=["/bin/sh", "-c", script])
    until(lambda: "ready" in app.log())
    stopped_node.stop()
    assert "good-bye" in app.log()


@pytest.mark.node
def test_many_programs_that_begin_while_the_logger_is_slow_are_all_heard(tiny_node, make_app, until):
    apps = [make_app(tiny_node, f"many-{number}") for number in range(15)]
    logger = tiny_node.pid("logger")
    os.kill(logger, signal.SIGSTOP)
    try:
        for app in apps:
            app.run(StartKey(app.name, 1, 1), argv=["/bin/sh", "-c", "echo heard; exec sleep 100"])
        until(lambda: sum(is_waiting_to_knock(tiny_node.pid(f"{app.name}.web.1.v1.1")) for app in apps) > 0)
    finally:
        os.kill(logger, signal.SIGCONT)
    for app in apps:
        until(lambda app=app: "heard" in app.log())
        tiny_node.supervisor.remove(f"{app.name}.web.1.v1.1")


def is_waiting_to_knock(pid: int) -> bool:
    """Whether the launcher is still there, its output already the pipe."""
    try:
        return b"launcher.py" in Path(f"/proc/{pid}/cmdline").read_bytes() and Path(f"/proc/{pid}/fd/1").is_fifo()
    except OSError:
        return False
