from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from toppcloud.account import find_account, this_account
from toppcloud.errors import Cancelled, ToppcloudError
from toppcloud.program import ProgramFailed, run


def test_lines_come_one_by_one() -> None:
    lines: list[str] = []
    finished = run([sys.executable, "-c", "print('a'); print('b\\rc'); print('d', end='')"], on_line=lines.append)
    assert lines == ["a", "b", "c", "d"]
    assert finished.stdout.startswith(b"a\n")


def test_the_environment_is_made_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "secret")
    assert set(run(["env"], env={"A": "1"}).lines) == {
        "A=1",
        "PATH=" + os.environ.get("X", run(["env"]).lines[0][5:]),
        "LANG=C.UTF-8",
    }


def test_a_failure_has_the_last_lines_and_the_status() -> None:
    with pytest.raises(ProgramFailed) as caught:
        run(["sh", "-c", "echo first; echo last >&2; exit 3"])
    assert caught.value.status_code == 3
    assert caught.value.output[-1] == "last"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ToppcloudError, match="no-such-program"):
        run(["no-such-program"])


@pytest.mark.parametrize(
    ("env", "said"), [({"WANTED": "1\0"}, "embedded null byte"), ({"WANTED": "1" * 300_000}, "Argument list too long")]
)
def test_what_no_program_can_be_given_is_said(env: dict[str, str], said: str) -> None:
    with pytest.raises(ToppcloudError, match=r"true cannot be run") as refused:
        run(["true"], env=env)
    assert said in refused.value.why


def test_a_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(ProgramFailed) as caught:
        run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], timeout_s=0.5)
    assert caught.value.status_code is None
    deadline = time.monotonic() + 5
    while _is_alive(int(pid_file.read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(int(pid_file.read_text()))


def test_a_cancellation_ends_it() -> None:
    began = time.monotonic()
    with pytest.raises(Cancelled, match="gone"):
        run(["sleep", "60"], is_cancelled=lambda: "gone" if time.monotonic() - began > 0.2 else None)


def test_bytes_are_fed_and_large_output_does_not_block() -> None:
    data = os.urandom(300_000).hex().encode()
    assert run(["cat"], stdin=data).stdout == data


def test_a_signal_is_told_by_its_name() -> None:
    with pytest.raises(ProgramFailed, match="SIGKILL"):
        run([sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"])


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_chunks_are_fed_as_they_come():
    assert run(["wc", "-c"], stdin=iter([b"a" * 100_000, b"b"])).lines == ("100001",)


def test_what_the_source_of_chunks_raises_is_raised():
    def chunks():
        yield b"x"
        raise ToppcloudError("The connection ended.")

    with pytest.raises(ToppcloudError, match="The connection ended"):
        run(["sh", "-c", "cat; exit 3"], stdin=chunks())


def test_program_that_stops_reading_ends_the_feeding():
    def chunks():
        while True:
            yield b"x" * 65536

    assert run(["head", "-c", "3"], stdin=chunks()).stdout == b"xxx"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as another account")
def test_program_of_another_account_may_open_its_own_output_by_name() -> None:
    script = "echo a > /dev/stdout; echo b > /dev/stderr; echo c | tee /dev/stderr"
    finished = run(["/bin/sh", "-c", script], account=find_account("nobody"), cwd=Path("/"))
    assert finished.lines == ("a", "b", "c", "c")


def test_our_own_memory_limit_is_not_that_of_another_account_s_program() -> None:
    account = this_account() if os.geteuid() else find_account("nobody")
    before = resource.getrlimit(resource.RLIMIT_AS)
    ours = (8 * 1024**3, before[1])
    resource.setrlimit(resource.RLIMIT_AS, ours)
    try:
        lines = run(["sh", "-c", "ulimit -v"], account=account).lines
        assert resource.getrlimit(resource.RLIMIT_AS) == ours
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert lines == (("unlimited",) if before[1] == resource.RLIM_INFINITY else (str(before[1] // 1024),))
