"""What supervisord's loop looks at, counted: not each program in each turn, but those that something happens to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.program_table import ProgramTable
from deploy.supervisor import Supervisor
from toppcloud.files import write_file
from toppcloud.layout import Layout

PROGRAMS = 200
CONFIGURATION = """\
[supervisord]
nodaemon=true
silent=true
logfile=log/supervisord.log
pidfile=run/supervisord.pid
nocleanup=true
{user}
[unix_http_server]
file=run/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[rpcinterface:toppcloud]
supervisor.rpcinterface_factory=deploy.supervisor_extension:make_interface
"""
# supervisord itself, with its looks at programs written down
COUNTED = """\
from supervisor import supervisord
from deploy.supervisor_program import Program
looks = open("looks", "ab", buffering=0)
look = Program.transition
Program.transition = lambda program: (looks.write(b"."), look(program))[1]
supervisord.main(["-c", "supervisord.conf"])
"""


def test_settled_programs_are_known_and_not_looked_at():
    table = ProgramTable()
    table["blog"], table["shop"] = "blog's group", "shop's group"
    assert table.values() == ["blog's group", "shop's group"]
    table.settle("blog")
    assert table.values() == ["shop's group"]
    assert table["blog"] == "blog's group"
    table.wake("blog")
    del table["shop"]
    assert table.values() == ["blog's group"]
    table.wake("shop")
    assert list(table) == ["blog"]


def test_loop_does_not_wait_with_what_was_woken_and_waits_at_rest():
    table = ProgramTable()
    table["blog"] = "blog's group"
    table.settle("blog")
    table.values()
    assert table.pause_s is None
    table.wake("blog")
    table.values()
    assert table.pause_s == 0
    table.values()
    assert 0 < (table.pause_s or 0) < 1


@pytest.fixture
def counted(tmp_path: Path, until) -> Iterator[Supervisor]:
    layout = Layout(tmp_path)
    for folder in (layout.pids, layout.programs, layout.log, layout.cache):
        folder.mkdir(parents=True)
    user = "user=root" if os.geteuid() == 0 else ""
    write_file(tmp_path / "supervisord.conf", CONFIGURATION.format(user=user))
    with subprocess.Popen([sys.executable, "-c", COUNTED], cwd=tmp_path) as process:
        supervisor = Supervisor(layout)
        until(supervisor.is_running)
        try:
            yield supervisor
        finally:
            supervisor.shutdown()
            process.wait(timeout=60)


@pytest.mark.node
def test_one_more_program_costs_as_many_looks_beside_many_as_beside_few(counted: Supervisor):
    first = [count_looks(counted, f"first{number}") for number in range(5)]
    for number in range(PROGRAMS):
        begin(counted, f"many{number}")
    last = [count_looks(counted, f"last{number}") for number in range(5)]
    assert len(counted.states("many")) == PROGRAMS
    assert max(last) <= 3 * max(first) < PROGRAMS  # some more or less, as its turns happen to fall


def count_looks(supervisor: Supervisor, name: str) -> int:
    """Looks at any program while one is added, started, stopped and removed."""
    looks = supervisor.layout.root / "looks"
    before = looks.stat().st_size
    begin(supervisor, name)
    supervisor.stop(name)
    supervisor.remove(name)
    return looks.stat().st_size - before


def begin(supervisor: Supervisor, name: str) -> None:
    path = supervisor.layout.cache / f"{name}.ini"
    path.write_text(f"[program:{name}]\ncommand=/bin/sleep 100\nautostart=false\nstartsecs=0\n")
    supervisor.add(path)
    supervisor.start(name)
