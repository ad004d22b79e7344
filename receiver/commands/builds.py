"""builds:cancel."""

from __future__ import annotations

import os

from hooks.cancellation import CANCEL_SIGNAL
from receiver.session import Session
from toppcloud.durations import now_utc, render_age
from toppcloud.errors import ToppcloudError
from toppcloud.lock import read_holder


def cancel(session: Session, *, app: str) -> None:
    """Tell the build that holds the lock to give up. From its release command on it does not heed this any more."""
    holder = read_holder(session.app(app).build_lock)
    if holder is None:
        raise ToppcloudError(f"No build of {app} is under way.", "", "See: toppcloud releases")
    os.kill(holder.pid, CANCEL_SIGNAL)
    session.write(
        f"Told the build of {holder.by} to stop ({holder.doing}, begun {render_age(holder.since, now_utc())})."
    )
    session.write("It stops unless its release command has begun.")
