"""When a deploy has left nothing to do: the release before is drained, and what may go is gone."""

from __future__ import annotations

import time

from benchmarks.live_node import LiveNode
from deploy.release import require_live_release

_TIMEOUT_S = 120.0
_PAUSE_S = 0.05


def wait_until_drained(node: LiveNode, name: str, *, timeout_s: float = _TIMEOUT_S) -> None:
    """Until only the live release of the app has a start."""
    app = node.layout.app(name)
    live = require_live_release(app).version
    deadline = time.monotonic() + timeout_s
    while any(path.parts[-3] != str(live) for path in app.releases.glob("*/starts/*")) or _find_doomed(node, name):
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} did not come to rest in {timeout_s:.0f} s")
        time.sleep(_PAUSE_S)


def _find_doomed(node: LiveNode, name: str) -> bool:
    """Whether something is still being removed."""
    app = node.layout.app(name)
    return any(path for folder in (app.folder, app.releases, app.slugs) for path in folder.glob(".gone-*"))
