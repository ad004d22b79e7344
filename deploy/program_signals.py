"""Signals to programs and to their process groups."""

from __future__ import annotations

import contextlib
import os
import signal


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group; one that is gone needs none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
