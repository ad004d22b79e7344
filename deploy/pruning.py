"""Has an app pruned in a process of its own, by pruner.py: nobody waits for it, and it outlives whoever started it."""

from __future__ import annotations

import os
import sys

from toppcloud.layout import Layout
from toppcloud.program import BASE_PATH, start_detached


def start_pruning(layout: Layout, app: str) -> int:
    """Returns the pid of the program."""
    words = [sys.executable, "-I", "-m", "deploy.pruner", "--root", str(layout.root), "--app", app]
    env = {"PATH": os.environ.get("PATH", BASE_PATH), "LANG": "C.UTF-8", "HOME": str(layout.root)}
    return start_detached(words, env=env, cwd=layout.root, output=layout.program_log("pruner"))
