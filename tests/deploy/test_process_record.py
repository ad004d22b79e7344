"""Which processes of a node that is gone are still there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from deploy.process_record import end_left_overs, find_members, read_processes, read_start_time


def test_workers_of_a_killed_leader_that_nobody_reaped_yet_are_ended(tmp_path: Path) -> None:
    words = ["sh", "-c", "sleep 60 & echo $!; wait"]
    environment = {"PATH": os.defpath, "TOPPCLOUD_APP": "blog"}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as leader:
        assert leader.stdout is not None
        worker = int(leader.stdout.readline())
        (tmp_path / "blog.web.1").write_text(f"{leader.pid} {read_start_time(leader.pid)}\n")
        leader.kill()
        os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie until we reap it
        [record] = read_processes(tmp_path)
        assert not record.is_alive
        assert find_members(record) == [worker]
        assert end_left_overs(tmp_path, patience_s=5.0) == ["blog.web.1"]
        assert find_members(record) == []
