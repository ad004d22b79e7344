"""ps: what runs of an app, what sleeps, what waits for its next try, and what it said before."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from deploy.app_processes import CRASHED, AppProcess, Idle, read_app_processes
from deploy.app_settings import read_app_settings
from deploy.live_start import ASLEEP
from deploy.start_key import WEB
from receiver.session import Session
from toppcloud.durations import now_utc, render_age, render_iso, render_size, render_span


def show(session: Session, *, app: str, as_json: bool) -> None:
    layout = session.app(app)
    found = read_app_processes(session.node, layout)
    if as_json:
        session.print_json([_row_json(process) for process in found.processes])
        return
    is_stopped = read_app_settings(layout).stopped
    if is_stopped:
        session.write(f"{app} is stopped. Start it: toppcloud ps:start -a {app}")
    elif found.release is None:
        session.write(f"{app} has no release yet. git push toppcloud main")
    session.print_table(_render_row(process) for process in found.processes)
    for process in found.processes:
        for line in _render_trouble(process):
            session.write(line)
    if found.release and WEB not in found.release.processes:
        session.write(f"{app} has no web process, so there is nothing to wake or to let sleep.")
    elif found.release and found.door and not is_stopped:
        session.write(f"{render_idle(found.idle).capitalize()} (ps:idle)")


def render_idle(idle: Idle) -> str:
    """`sleeps after 30 min without a visit`, `never sleeps`, and what else keeps it awake."""
    if idle.seconds is None:
        return "never sleeps"
    after = f"after {render_span(idle.seconds)} without a visit"
    if idle.awake_for:
        return f"does not sleep, since {idle.awake_for} runs on; with [web] sleeps_with it would, {after}"
    return f"sleeps {after}"


def _render_row(process: AppProcess) -> tuple[str, ...]:
    began = "asleep since" if process.state == ASLEEP else "started"
    return (
        process.process,
        process.state,
        f"{process.children} workers" if process.children > 1 else "",
        render_size(process.memory_bytes) if process.pid else "",
        f"v{process.release}",
        f"{began} {render_age(_moment(process.since), now_utc())}" if process.since else "",
        f"{process.spawns} starts" if process.spawns > 1 else "",
    )


def _render_trouble(process: AppProcess) -> list[str]:
    """What a person wants to know of a process that is not well; nothing of one that is."""
    if not process.last_lines and process.state != CRASHED:
        return [f"{process.process}: {process.why}"] if process.why else []
    wait_s = process.next_try - time.time()
    tried = f"next try in {max(0, wait_s):.0f} s" if process.next_try else ""
    facts = "; ".join(fact for fact in (process.why, tried) if fact)
    head = f"{process.process}: {facts}" if facts else process.process
    return (
        ["", f"{head}. It wrote last:", *(f"    {line}" for line in process.last_lines)]
        if process.last_lines
        else [head]
    )


def _row_json(process: AppProcess) -> dict[str, object]:
    return {
        "process": process.process,
        "state": process.state,
        "release": process.release,
        "since": render_iso(_moment(process.since)) if process.since else None,
        "memory_bytes": process.memory_bytes,
        "pid": process.pid,
        "workers": process.children,
        "starts": process.spawns,
        "next_try": render_iso(_moment(process.next_try)) if process.next_try else None,
        "why": process.why,
        "last_lines": list(process.last_lines),
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
