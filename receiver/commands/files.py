"""files, files:keep."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from deploy.app_lock import lock_release
from deploy.app_settings import read_app_settings
from deploy.kept_files import keep_paths, list_kept
from deploy.release import read_live_release
from deploy.written_files import find_written
from hooks.changes import Wishes, restart_app
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.durations import now_utc, render_age, render_iso, render_size
from toppcloud.errors import ToppcloudError

_Row = tuple[str, bool, int, datetime | None]


def list_files(session: Session, *, app: str, as_json: bool) -> None:
    """What is kept, and what the live release wrote that is not."""
    rows = [*_kept(session.app(app)), *_written(session.app(app))]
    if as_json:
        session.print_json(
            [
                {"path": path, "kept": kept, "size_bytes": size, "written_at": render_iso(at) if at else None}
                for path, kept, size, at in rows
            ]
        )
    elif not rows:
        session.write(f"{app} keeps no files and has written none. Keep some: toppcloud files:keep media")
    else:
        session.print_table(_render(row) for row in rows)
        left = [path for path, kept, _, _ in rows if not kept]
        if left:
            session.write(f"The next release will not have what is not kept: toppcloud files:keep {_words(left)}")


def keep(session: Session, *, app: str, paths: tuple[str, ...]) -> None:
    """Keep paths from now on; then a new start, so that every process opens them where they are now."""
    layout = session.app(app)
    with lock_release(layout, by=session.person, doing=f"keeping {' '.join(paths)}", console=session.console):
        new = keep_paths(session.node, layout, paths, missing_too=True)
    if not new:
        session.write(f"Kept already: {', '.join(paths)}")
        return
    session.write(f"{', '.join(new)}: kept over releases, in {layout.files} (FILES_DIR)")
    if layout.live_number() is None or read_app_settings(layout).stopped:
        return
    try:
        restart_app(session.node, layout, Wishes(session.person, runs_release_command=False), session.console)
    except ToppcloudError as error:
        session.warn(f"They are kept, but the app was not restarted: {error.what}")


def _kept(layout: AppLayout) -> list[_Row]:
    return [
        (f"{file.path}/" if file.is_folder else file.path, True, file.size_bytes, file.written_at)
        for file in list_kept(layout)
    ]


def _written(layout: AppLayout) -> list[_Row]:
    """Files of the live release by topmost new folder, else one by one."""
    release = read_live_release(layout)
    if release is None:
        return []
    rows: dict[str, _Row] = {}
    kept = read_app_settings(layout).kept_files
    for file in find_written(layout.release(release.version), layout.slug(release.slug), kept):
        path = f"{file.new_folder}/" if file.new_folder else file.path
        at = datetime.fromtimestamp(file.written_at, UTC)
        _, _, size, latest = rows.get(path, (path, False, 0, at))
        rows[path] = (path, False, size + file.size_bytes, max(latest or at, at))
    return list(rows.values())


def _render(row: _Row) -> tuple[str, ...]:
    path, kept, size_bytes, at = row
    state = "kept" if kept else "in this release only"
    return path, render_size(size_bytes), state, f"written {render_age(at, now_utc())}" if at else "nothing written yet"


def _words(paths: list[str]) -> str:
    shown = " ".join(shlex.quote(path.rstrip("/")) for path in paths[:6])
    return shown if len(paths) <= 6 else f"{shown} …"
