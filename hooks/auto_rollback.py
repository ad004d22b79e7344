"""Puts the release before a bad one live by itself, when its `[checks] auto_rollback` asked for that.

`python -I -m hooks.auto_rollback --root ROOT --app blog --from 18 --errors 9 --crashes 2`, started by the doorman. When
v18 is not live any more there is nothing to do. What came of it stands in `releases`, and is told at the next command.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

from deploy.notice import write_notice
from deploy.release import require_rollback_target
from hooks.changes import Wishes, roll_back
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node, open_node

BY = "node"
_log = logging.getLogger(__name__)


def go_back(node: Node, app: AppLayout, bad: int, cause: str, console: Console) -> None:
    """Make the release before `bad` live, unless `bad` is not live any more. `cause`: `9 errors and 2 crashes`."""
    if app.live_number() != bad:
        return
    seconds = max(0.0, time.time() - app.release(bad).went_live.stat().st_mtime)
    first = f"v{bad} had {cause} within {seconds:.0f} s of its deploy"
    try:
        target = require_rollback_target(app, None)
        wishes = Wishes(BY, runs_release_command=False)
        outcome = roll_back(node, app, target, wishes, console, leaving=bad, why=f"v{bad} had {cause}")
    except Exception as error:
        if app.live_number() != bad:
            return  # somebody else was quicker: a push, a rollback by hand
        _log.exception("could not go back")
        write_notice(app, [f"{first}, and is still live: going back failed.", *_explain(error)])
        return
    live = f"v{outcome.release.version} is live: code and config of v{target.version}. The database stays as it is."
    write_notice(app, [f"{first} and was taken back.", live, f"What it wrote: toppcloud logs --release {bad}"])


def describe_cause(errors: int, crashes: int) -> str:
    """`9 errors and 2 crashes`, `1 crash`."""
    counted = ((errors, "error", "errors"), (crashes, "crash", "crashes"))
    return " and ".join(f"{count} {one if count == 1 else many}" for count, one, many in counted if count)


def _explain(error: Exception) -> list[str]:
    return error.lines() if isinstance(error, ToppcloudError) else [f"{type(error).__name__}: {error}"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="auto_rollback")
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--app", required=True)
    parser.add_argument("--from", required=True, type=int, dest="bad")
    parser.add_argument("--errors", default=0, type=int)
    parser.add_argument("--crashes", default=0, type=int)
    asked = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    node = open_node(asked.root)
    console = Console(lambda line: _log.info("%s: %s", asked.app, line))
    go_back(node, node.layout.app(asked.app), asked.bad, describe_cause(asked.errors, asked.crashes), console)


if __name__ == "__main__":
    main()
