"""When a program that is tried ends, or who tries it, nothing that it started goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import deploy.trial_guard
from toppcloud.program import start_tethered

GUARD = Path(deploy.trial_guard.__file__)
ORPHANS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open(sys.argv[1] + f"/{os.getpid()}", "w").close()
            time.sleep(600)
        os._exit(0)
while len(os.listdir(sys.argv[1])) < 3:
    time.sleep(0.01)
open(sys.argv[1] + f"/{os.getpid()}", "w").close()
"""


class Guarded:
    """A guarded program that starts three daemons."""

    def __init__(self, folder: Path, ending: str) -> None:
        self.pids_folder = folder / "pids"
        self.pids_folder.mkdir()
        script = folder / "orphans.py"
        script.write_text(ORPHANS + ending)
        tether, self.held = os.pipe()
        words = [sys.executable, "-I", "-S", str(GUARD), "-", str(script), str(self.pids_folder)]
        self.child: subprocess.Popen[bytes] = start_tethered(words, tether=tether, output=1)
        os.close(tether)

    def pids(self) -> list[int]:
        return [int(path.name) for path in self.pids_folder.iterdir()]

    def running(self) -> list[int]:
        return [pid for pid in self.pids() if Path(f"/proc/{pid}").exists()]


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_program_that_ends_takes_its_daemons_along_and_its_status_is_told(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path, "sys.exit(7)")
    assert guarded.child.wait(20) == 7
    assert len(guarded.pids()) == 4
    assert guarded.running() == []
    os.close(guarded.held)


@pytest.mark.parametrize("how", ["who tries it ends", "the guard is told to"])
def test_everything_ends_when_nobody_tries_it_any_more(tmp_path: Path, how: str) -> None:
    guarded = Guarded(tmp_path, "time.sleep(600)")
    wait_until(lambda: len(guarded.pids()) == 4)
    if how == "who tries it ends":
        os.close(guarded.held)
    else:
        guarded.child.send_signal(signal.SIGTERM)
    guarded.child.wait(20)
    assert guarded.running() == []


def test_program_that_cannot_be_run_is_an_exit_status(tmp_path: Path) -> None:
    tether, held = os.pipe()
    words = [sys.executable, "-I", "-S", str(GUARD), "-", str(tmp_path / "nothing.py")]
    child = start_tethered(words, tether=tether, output=os.open(os.devnull, os.O_WRONLY))
    assert child.wait(20) != 0
    os.close(tether)
    os.close(held)
