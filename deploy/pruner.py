"""Prunes an app after a deploy, when nobody waits for it: `python -I -m deploy.pruner --root ROOT --app blog`.

While somebody changes the app it has nothing to do: that change ends with a pruner of its own.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from deploy.prune import prune_releases
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.files import sweep_removed
from toppcloud.lock import LockBusy, hold_lock
from toppcloud.node import Node, open_node

_NICENESS = 10
_log = logging.getLogger(__name__)


def prune_app(node: Node, app: AppLayout, console: Console) -> None:
    """What takes long, removing files, happens when the app's lock is free again."""
    try:
        with hold_lock(app.release_lock, by="node", doing="pruning"):
            prune_releases(node, app, console)
    except (LockBusy, FileNotFoundError):
        _log.info("not now: somebody changes the app, or it is gone")
    sweep_removed(app.folder)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="pruner")
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--app", required=True)
    asked = parser.parse_args(argv)
    os.nice(_NICENESS)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    node = open_node(asked.root)
    prune_app(node, node.layout.app(asked.app), Console(lambda line: _log.info("%s", line)))


if __name__ == "__main__":
    main()
