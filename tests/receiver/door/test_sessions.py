"""What a session is: a process of its own, whose streams, signals and end are passed through."""

from __future__ import annotations

import json
import os
import signal
import struct
import time

import asyncssh
import pytest

from toppcloud.unix import connect_unix

pytestmark = pytest.mark.node


def wait_until(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_words_arrive_as_a_shell_splits_them_and_nothing_is_expanded(front_door):
    done = front_door.run("""probe:words a 'b  c' "d\ne" '' f\\ g $HOME * ~ "\\$x" ; #h""")
    assert json.loads(done.stdout) == ["a", "b  c", "d\ne", "", "f g", "$HOME", "*", "~", "$x", ";", "#h"]


def test_open_quote_is_wrong_usage(front_door):
    done = front_door.run("config:set 'A=1")
    assert done.returncode == 2
    assert b"A quote is not closed: '" in done.stderr


def test_exit_status_and_mistyped_command(front_door):
    assert front_door.run("probe:end 42").returncode == 42
    done = front_door.run("confg")
    assert (done.returncode, done.stderr) == (2, b"There is no command 'confg'. Did you mean 'config'?\n")


def test_app_that_is_not_there_is_refused_and_no_app_is_wrong_usage(front_door):
    assert front_door.run("releases").returncode == 2
    done = front_door.run("releases -a nothing")
    assert done.returncode == 1
    assert b"There is no app 'nothing'." in done.stderr


def test_streams_pass_bytes_and_their_end(front_door):
    data = os.urandom(3_000_000)
    assert front_door.run("probe:cat", stdin=data).stdout == data


def test_worker_has_a_process_session_and_nothing_but_its_streams(front_door):
    told = json.loads(front_door.run("probe:tell").stdout)
    assert told["leader"]
    assert told["descriptors"] == [0, 1, 2, 3, 4]  # the log, and the folder that was listed
    assert told["terminal"] is None


def test_crash_is_seen_by_its_session_alone_and_told_in_the_log(front_door):
    other = front_door.open("probe:cat")
    crashed = front_door.run("probe:crash")
    assert crashed.returncode == 1
    assert b"secret detail" not in crashed.stderr + crashed.stdout
    crash_id = crashed.stderr.decode().partition("(")[2].partition(")")[0]
    assert f"id={crash_id}" in front_door.log("sessions")
    assert "secret detail of the inside" in front_door.log("sessions")
    assert other.communicate(b"still here", 20)[0] == b"still here"


def test_worker_killed_by_a_signal_is_told_with_an_id(front_door):
    died = front_door.run("probe:die")
    assert died.returncode == 1
    assert b"SIGSEGV" in died.stderr
    assert died.stderr.decode().partition("(")[2].partition(")")[0] in front_door.log("door")


def test_memory_is_limited(front_door):
    done = front_door.run("probe:hog")
    assert done.returncode == 1
    assert "MemoryError" in front_door.log("sessions")


def test_session_ends_with_its_worker_although_a_child_holds_its_streams(front_door):
    assert front_door.run("probe:late").stdout == b"done\n"


@pytest.mark.parametrize("ending", ["kill", "close"])
def test_worker_sees_at_once_that_the_person_has_gone(front_door, tmp_path, ending):
    note = tmp_path / "note"
    session = front_door.open("probe:wait", str(note))
    assert session.stdout.readline() == b"ready\n"
    if ending == "kill":
        session.kill()
    else:
        session.terminate()
    session.communicate()
    wait_until(note.exists)
    wait_until(note.read_text)
    assert note.read_text() == "gone=True events=True broken pipe"


def test_command_that_changes_things_goes_on_without_the_person(front_door, tmp_path):
    note = tmp_path / "note"
    session = front_door.open("probe:work", str(note))
    assert session.stdout.readline() == b"ready\n"
    session.kill()
    session.communicate()
    wait_until(note.exists)
    wait_until(note.read_text)
    assert note.read_text() == "finished"


def test_forker_that_dies_is_told_and_a_new_one_serves(front_door):
    session = front_door.open("probe:cat")
    session.stdin.write(b"x")
    session.stdin.flush()
    assert session.stdout.read(1) == b"x"
    forker = front_door.processes["sessions"]
    forker.kill()
    forker.wait()
    front_door.start_forker()
    assert front_door.run("version").returncode == 0
    _, err = session.communicate(b"", 20)
    assert (session.returncode, b"(lost)" in err) == (1, True)


def test_terminal_is_real(front_door):
    done = front_door.run("probe:tell", options=("-tt",))
    told = json.loads(done.stdout)
    assert told["tty"] == [True, True, True]
    assert told["foreground"]
    assert b"\r\n" in done.stdout


def test_terminal_has_the_persons_size_and_follows_it(front_door):
    terminal = front_door.open_terminal("probe:size")
    terminal.expect(b"ready")
    for columns, rows in ((101, 31), (102, 32), (103, 33)):
        _resize(terminal.fd, columns, rows)
        terminal.expect(f"{columns} {rows}".encode())
    terminal.type(b"\n")
    assert terminal.wait() == 0


def test_terminal_passes_ctrl_c_and_ctrl_d(front_door):
    terminal = front_door.open_terminal("probe:cat")
    terminal.type(b"hello\n")
    terminal.expect(b"hello\r\nhello\r\n")
    terminal.type(b"\x04")
    assert terminal.wait() == 0
    terminal = front_door.open_terminal("probe:size")
    terminal.expect(b"ready")
    terminal.type(b"\x03")
    assert terminal.wait() == 128 + signal.SIGINT


def test_end_of_stdin_is_passed_to_a_terminal(front_door):
    done = front_door.run("probe:cat", stdin=b"in the middle of a line", options=("-tt",))
    assert done.returncode == 0
    assert done.stdout.endswith(b"in the middle of a line")


def test_signals_that_a_client_sends_reach_the_worker(front_door):
    import asyncio

    async def interrupt() -> int | None:
        options = {"known_hosts": None, "client_keys": [str(front_door.key("ana"))], "config": []}
        async with asyncssh.connect("127.0.0.1", front_door.port, username="toppcloud", **options) as connection:
            process = await connection.create_process("probe:cat")
            process.stdin.write("x")
            await process.stdout.read(1)
            process.send_signal("TERM")
            return (await process.wait()).exit_status

    assert asyncio.run(interrupt()) == 128 + signal.SIGTERM


def test_many_sessions_share_a_connection_and_do_not_wait_for_each_other(front_door):
    import asyncio

    async def echo_many() -> list[str]:
        options = {"known_hosts": None, "client_keys": [str(front_door.key("ana"))], "config": []}
        async with asyncssh.connect("127.0.0.1", front_door.port, username="toppcloud", **options) as connection:
            slow = await connection.create_process("probe:cat")
            results = await asyncio.gather(*(connection.run("probe:cat", input=str(i)) for i in range(10)))
            slow.stdin.write_eof()
            await slow.wait()
            return [result.stdout for result in results]

    assert asyncio.run(echo_many()) == [str(i) for i in range(10)]


def test_forker_takes_no_descriptors_from_a_stranger(front_door):
    assert front_door.layout.sessions_socket.stat().st_mode & 0o777 == 0o600
    with connect_unix(front_door.layout.sessions_socket, timeout_s=20) as stranger:
        stranger.send(b"\n")
        assert stranger.recv(1) == b""
    assert front_door.run("version").returncode == 0


def test_fetch_of_an_app_that_is_not_there_is_refused_with_its_reason(front_door):
    done = front_door.run("git-upload-pack '/nothing.git'")
    assert done.returncode == 1
    assert b"There is no app 'nothing' to fetch from." in done.stderr
    assert b"Archives are not served" in front_door.run("git-upload-archive 'blog'").stderr
    assert front_door.run("git upload-pack '../../etc'").returncode == 1


def _resize(fd: int, columns: int, rows: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_forker_stops_at_sigterm_and_ends_its_sessions(front_door):
    session = front_door.open("probe:cat")
    session.stdin.write(b"x")
    session.stdin.flush()
    assert session.stdout.read(1) == b"x"
    forker = front_door.processes["sessions"]
    forker.terminate()
    assert forker.wait(20) == 0
    session.communicate(timeout=20)
    assert session.returncode == 128 + signal.SIGTERM
    front_door.layout.sessions_socket.unlink()
    front_door.start_forker()
