"""Signals to programs and to their process groups."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group; one that is gone needs none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def signal_main_thread(pid: int, number: int) -> None:
    """Send a signal to a process's main thread, or, when `pid` is negative, to a process group.

    A process that is frozen has its signal taken, once thawed, by whichever thread is first; and a Python program whose
    main thread sleeps does not hear of what another one took. Source: tgkill(2). Raises OSError.
    """
    tgkill = getattr(ctypes.CDLL(None, use_errno=True), "tgkill", None)
    if pid < 0 or tgkill is None:  # musl has none
        os.kill(pid, number)
    elif tgkill(pid, pid, number):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
