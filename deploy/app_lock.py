"""The locks of an app, as a person meets them: waited for, told of, refused in words.

Only taking a lock is answered for here: a lock that the block itself does not get is the block's own affair.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.durations import render_iso
from toppcloud.errors import ToppcloudError
from toppcloud.lock import Holder, LockBusy, hold_lock

_PATIENCE_S = 1.0
_TIMEOUT_S = 120.0


@contextlib.contextmanager
def lock_release(app: AppLayout, *, by: str, doing: str, console: Console) -> Iterator[None]:
    """The app's release lock. It is held for seconds; who waits for it long is told for whom."""
    with contextlib.ExitStack() as stack:
        try:
            _take_release_lock(stack, app, by=by, doing=doing, console=console)
        except FileNotFoundError as error:
            raise ToppcloudError(
                f"There is no app '{app.name}' any more.",
                "It was destroyed or renamed a moment ago.",
                "See: toppcloud apps",
                reason="no such app",
            ) from error
        yield


@contextlib.contextmanager
def lock_app(app: AppLayout, *, by: str, doing: str, console: Console) -> Iterator[None]:
    """Build lock and release lock: nothing is built and nothing put live while the block runs."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(app.build_lock, by=by, doing=doing))
        except LockBusy as busy:
            raise ToppcloudError(
                f"{app.name} is being built: {_render_holder(busy.holder)}.",
                "Nothing was changed.",
                f"Wait, or: toppcloud builds:cancel -a {app.name}",
                reason="a build under way",
            ) from busy
        stack.enter_context(lock_release(app, by=by, doing=doing, console=console))
        yield


def _take_release_lock(stack: contextlib.ExitStack, app: AppLayout, *, by: str, doing: str, console: Console) -> None:
    try:
        stack.enter_context(hold_lock(app.release_lock, by=by, doing=doing, timeout_s=_PATIENCE_S))
        return
    except LockBusy as busy:
        console.detail(f"waiting for {_render_holder(busy.holder)}")
    try:
        stack.enter_context(hold_lock(app.release_lock, by=by, doing=doing, timeout_s=_TIMEOUT_S))
    except LockBusy as busy:
        raise ToppcloudError(
            f"Another change of {app.name} is under way: {_render_holder(busy.holder)}.",
            f"It has not ended within {_TIMEOUT_S:.0f} s. Nothing was changed.",
            "Try again in a moment.",
            reason="another change under way",
        ) from busy


def _render_holder(holder: Holder | None) -> str:
    if holder is None:
        return "another change"
    return f"{holder.by}, {holder.doing}, since {render_iso(holder.since)}"
