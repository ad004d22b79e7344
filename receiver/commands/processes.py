"""ps, ps:scale, ps:restart, ps:rebuild, ps:stop, ps:start."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.app_lock import lock_release
from deploy.app_settings import edit_app_settings, read_app_settings, update_app_settings
from deploy.process_memory import read_memory_bytes, read_tree
from deploy.release import read_live_release, require_live_release
from deploy.settle import RunningProgram, parse_program, settle
from deploy.start import choose_formation, find_live_start
from deploy.start_key import StartKey
from deploy.supervisor import ProgramState, Supervisor
from hooks.changes import Wishes, restart_app, start_app, stop_processes
from hooks.pipeline import Delivery, deliver
from receiver.branch_tip import open_branch_tip
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.durations import now_utc, render_age, render_iso, render_size
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.names import parse_process_type

_MOST_PROCESSES = 100


@dataclass(frozen=True)
class _Row:
    program: RunningProgram
    state: ProgramState
    memory_bytes: int
    is_live: bool

    @property
    def word(self) -> str:
        if self.state.state == "RUNNING":
            return "up" if self.is_live else "draining"
        return self.state.state.lower()

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.state.started_at, UTC)


def show(session: Session, *, app: str, as_json: bool) -> None:
    layout = session.app(app)
    rows = _read_rows(session, layout)
    if as_json:
        session.print_json([_row_json(row) for row in rows])
        return
    release = read_live_release(layout)
    settings = read_app_settings(layout)
    if settings.stopped:
        session.write(f"{app} is stopped. Start it: toppcloud ps:start -a {app}")
    elif release is None:
        session.write(f"{app} has no release yet. git push toppcloud main")
    session.print_table(
        (
            row.program.process,
            row.word,
            render_size(row.memory_bytes),
            f"v{row.program.key.release}",
            f"started {render_age(row.since, now_utc())}",
            f"{row.state.spawns} starts" if row.state.spawns > 1 else "",
        )
        for row in rows
    )


def _read_rows(session: Session, app: AppLayout) -> list[_Row]:
    number = app.live_number()
    start = find_live_start(app.release(number)) if number else None
    live = StartKey(app.name, number, start.number) if number and start else None
    rows = []
    for name, state in sorted(Supervisor(session.node.layout).states(prefix=f"{app.name}.").items()):
        program = parse_program(name)
        if program and not program.is_relay:
            pids = read_tree(state.pid) if state.pid else []
            rows.append(_Row(program, state, read_memory_bytes(pids), program.key == live))
    return rows


def _row_json(row: _Row) -> dict[str, object]:
    return {
        "process": row.program.process,
        "state": row.word,
        "release": row.program.key.release,
        "since": render_iso(row.since),
        "memory_bytes": row.memory_bytes,
        "pid": row.state.pid or None,
    }


def scale(session: Session, *, app: str, formation: tuple[str, ...]) -> None:
    layout = session.app(app)
    release = read_live_release(layout)
    if not formation:
        counts = (
            choose_formation(release, read_app_settings(layout)) if release else read_app_settings(layout).formation
        )
        session.print_table(counts.items())
        return
    wanted = dict(_parse_scale(word) for word in formation)
    for name in wanted:
        if release and name not in release.processes:
            near = suggest_nearest(name, release.processes)
            raise ToppcloudError(
                f"{app} has no process type '{name}'.{near}", f"v{release.version} has: {', '.join(release.processes)}."
            )
    before = read_app_settings(layout).formation
    now = choose_formation(release, read_app_settings(layout)) if release else before
    if all(now.get(name) == count for name, count in wanted.items()):
        session.write(f"{_render_formation(wanted)}: nothing to change")
        return
    edit_app_settings(layout, lambda old: dataclasses.replace(old, formation={**old.formation, **wanted}))
    try:
        if release is not None and not read_app_settings(layout).stopped:
            restart_app(session.node, layout, Wishes(session.person, runs_release_command=False), session.console)
    except BaseException:
        update_app_settings(layout, formation=before)
        raise
    session.write(_render_formation(wanted))


def _render_formation(formation: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={count}" for name, count in formation.items())


def restart(session: Session, *, app: str, no_check: bool, release_command: bool) -> None:
    began = time.monotonic()
    layout = session.app(app)
    release = require_live_release(layout)
    if read_app_settings(layout).stopped:
        raise ToppcloudError(f"{app} is stopped.", "", f"toppcloud ps:start -a {app}")
    wishes = Wishes(session.person, checks=not no_check, runs_release_command=release_command)
    restart_app(session.node, layout, wishes, session.console)
    session.write(f"v{release.version} restarted in {time.monotonic() - began:.1f} s")


def rebuild(session: Session, *, app: str, no_check: bool, leave_files: bool) -> None:
    """What the branch holds, built anew: for a rollback that is over, or dependencies that are to be resolved again."""
    layout = session.app(app)
    with open_branch_tip(layout) as tip:
        delivery = Delivery(
            kind="rebuild",
            by=session.person,
            commit=tip.commit,
            old_commit=None,
            store=tip.store,
            checks=not no_check,
            leaves_files=leave_files,
        )
        outcome = deliver(session.node, layout, delivery, session.console)
    session.write(f"v{outcome.release.version} live: {outcome.release.commit[:7]} built anew")


def stop(session: Session, *, app: str) -> None:
    layout = session.app(app)
    require_live_release(layout)
    if read_app_settings(layout).stopped:
        session.write(f"{app} is stopped already.")
        return
    with lock_release(layout, by=session.person, doing="stopping", console=session.console):
        update_app_settings(layout, stopped=True)
        stop_processes(session.node, layout)
        settle(session.node, layout, session.console)
    session.write(f"{app} is stopped; visitors get a 503 page. Start it: toppcloud ps:start -a {app}")


def start(session: Session, *, app: str) -> None:
    layout = session.app(app)
    if not read_app_settings(layout).stopped:
        session.write(f"{app} is not stopped.")
        return
    start_app(session.node, layout, Wishes(session.person, runs_release_command=False), session.console)
    session.write(f"{app} is started: {session.node.settings.url(app)}")


def _parse_scale(word: str) -> tuple[str, int]:
    name, equals, number = word.partition("=")
    if not equals or not (number.isascii() and number.isdigit()) or int(number) > _MOST_PROCESSES:
        raise ToppcloudError(
            f"'{word}' is not TYPE=NUMBER.",
            f"The number is 0 to {_MOST_PROCESSES}.",
            "Example: toppcloud ps:scale web=1 worker=2",
            status=2,
        )
    return parse_process_type(name), int(number)
