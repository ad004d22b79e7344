"""Whether somebody has connected to a socket is read from its file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.visits import are_noticed, arm, read_visit
from toppcloud.unix import connect_unix, listen_unix

REPOSITORY = Path(__file__).parent.parent.parent


def test_visit_is_noticed_once_for_each_time_it_is_armed(tmp_path):
    path = tmp_path / "web.sock"
    with listen_unix(path):
        arm(path)
        assert read_visit(path) is None
        for _ in range(2):
            connect_unix(path).close()
            assert read_visit(path) is not None
            arm(path)
            assert read_visit(path) is None


def test_socket_that_is_gone_has_no_visit(tmp_path):
    arm(tmp_path / "gone")
    assert read_visit(tmp_path / "gone") is None


def test_file_system_that_notes_no_visits_is_told_from_one_that_does(tmp_path):
    assert are_noticed(tmp_path)
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    script = (
        f"mount -t tmpfs -o noatime none {tmp_path} && exec {sys.executable} -c "
        f'\'import sys; sys.path.insert(0, "{REPOSITORY}"); from pathlib import Path; from deploy.visits import '
        f'are_noticed; print(are_noticed(Path("{tmp_path}")))\''
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    assert done.stdout == "False\n"
