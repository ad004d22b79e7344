"""Before a change leaves files behind in the old release: which to name, and when to refuse.

v20 wrote 2 things in its folder that the next release will not have, a database among them:
  db.sqlite3      1.4 MB   a SQLite database, written 8 s ago
  uploads/        37 files, 12 MB
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from deploy.written_files import WrittenFile, find_written
from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.durations import now_utc, render_age, render_size
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Slug

_SHOWN_ALONE = 3  # more files than these in one folder are shown as the folder
_SHOWN_LINES = 12
_SUGGESTED = 6


def refuse_leaving_data(
    app: AppLayout, release: ReleaseLayout, slug: Slug, *, kept: Sequence[str], may_leave: bool, kind: str = "push"
) -> str | None:
    """A warning that names what would be left behind in `release`; None when there is nothing.

    Raises ToppcloudError when a SQLite database is among it, unless it `may_leave`.
    """
    written = find_written(release, app.slug(slug.id), kept)
    if not written:
        return None
    what, lines, keep = plan_leaving(written, release.number, now_utc())
    if may_leave or not any(file.is_database for file in written):
        return "\n".join([what, *lines, keep])
    leave = f"Deploy and leave them in v{release.number}: git push -o leave-files toppcloud main"
    if kind != "push":
        leave = f"Go on and leave them in v{release.number}:  the same command with --leave-files"
    raise ToppcloudError(what, "\n".join(lines), f"{keep}\n{leave}", reason="data would be left behind")


def plan_leaving(written: Sequence[WrittenFile], number: int, now: datetime) -> tuple[str, list[str], str]:
    """What to say: the sentence, a line for each database, folder or file, and the line that keeps them."""
    databases = [file for file in written if file.is_database]
    groups = _group_by_place([file for file in written if not file.is_database])
    rows = [(file.path, _describe_database(file, now)) for file in databases]
    rows += [(place, _describe_files(files, now)) for place, files in groups.items()]
    things = "1 thing" if len(rows) == 1 else f"{len(rows)} things"
    among = "" if not databases else ", a database" if len(rows) == 1 else ", a database among them"
    width = max(14, *(len(place) for place, _ in rows)) if len(rows) > 1 else max(14, len(rows[0][0]))
    lines = [f"  {place:<{width}}  {text}" for place, text in rows[:_SHOWN_LINES]]
    if len(rows) > _SHOWN_LINES:
        lines.append(f"  and {len(rows) - _SHOWN_LINES} more: toppcloud files")
    what = f"v{number} wrote {things} in its folder that the next release will not have{among}:"
    return what, lines, f"Keep them over releases:      toppcloud files:keep {_suggest(databases, groups)}"


def _group_by_place(files: Sequence[WrittenFile]) -> dict[str, list[WrittenFile]]:
    """{"uploads/": [...], "notes.txt": [...]}: by new folder, else by folder when there are many, else one by one."""
    folders: dict[str, list[WrittenFile]] = defaultdict(list)
    for file in files:
        folders[f"{file.new_folder or PurePosixPath(file.path).parent}/"].append(file)
    groups = {}
    for folder, inside in folders.items():
        if inside[0].new_folder or (len(inside) > _SHOWN_ALONE and folder != "./"):
            groups[folder] = inside
        else:
            groups.update({file.path: [file] for file in inside})
    return groups


def _describe_database(file: WrittenFile, now: datetime) -> str:
    return f"{render_size(file.size_bytes):<7}  a SQLite database, written {_render_age(file, now)}"


def _describe_files(files: Sequence[WrittenFile], now: datetime) -> str:
    size = render_size(sum(file.size_bytes for file in files))
    if len(files) == 1:
        return f"{size:<7}  written {_render_age(files[0], now)}"
    return f"{len(files)} files, {size}"


def _render_age(file: WrittenFile, now: datetime) -> str:
    return render_age(datetime.fromtimestamp(file.written_at, UTC), now)


def _suggest(databases: Sequence[WrittenFile], groups: dict[str, list[WrittenFile]]) -> str:
    """`db.sqlite3 uploads`: databases first; of a folder that the slug has, only the files."""
    paths = [file.new_folder or file.path for file in databases]
    for files in groups.values():
        paths += [files[0].new_folder] if files[0].new_folder else [file.path for file in files]
    unique = list(dict.fromkeys(paths))
    more = " …" if len(unique) > _SUGGESTED else ""
    return " ".join(shlex.quote(path) for path in unique[:_SUGGESTED]) + more
