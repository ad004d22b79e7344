"""Descriptors are counted, and who has hardly any left is named."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from deploy.descriptors import check_descriptors, read_descriptors


def test_open_descriptors_are_counted_and_the_soft_limit_is_told():
    before = read_descriptors(os.getpid())
    reader, writer = os.pipe()
    after = read_descriptors(os.getpid())
    os.close(reader)
    os.close(writer)
    assert (after.used - before.used, after.allowed) == (2, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def test_dead_process_has_none():
    with subprocess.Popen(["/bin/true"]) as child:
        pass
    assert read_descriptors(child.pid) is None


def test_who_has_used_most_of_them_is_named_with_the_cure():
    program = "import os; kept = [os.dup(0) for _ in range(40)]; print('full', flush=True); input()"
    words = ["/bin/sh", "-c", f'ulimit -n 50; exec {sys.executable} -c "{program}"']
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as full:
        assert full.stdout.readline() == "full\n"
        ok, warn = check_descriptors({"holder": full.pid, "router": os.getpid(), "door": 1})
        full.stdin.write("\n")
    assert ok.level == "ok"
    assert ok.what.startswith("descriptors: router ")
    assert (warn.level, warn.what) == ("warn", "holder 43 of 50 descriptors are in use")
    assert "LimitNOFILE" in warn.cure
