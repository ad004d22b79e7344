"""What an app keeps over releases: files and folders that lie in apps/blog/files and are linked into every release.

A program that saves by rename puts a file in place of the link; at the next change that file is gathered into files/.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.app_settings import AppSettings, edit_app_settings, read_app_settings
from deploy.kept_links import link_all, move_all, move_back, move_behind_link
from deploy.kept_path import parse_kept_path, refuse_overlap
from deploy.release import read_live_release
from deploy.sqlite_file import COMPANIONS
from deploy.written_files import find_written
from toppcloud.account import Account
from toppcloud.acting import act_as
from toppcloud.app_layout import AppLayout
from toppcloud.durations import now_utc
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, size_of_tree, stat_tree
from toppcloud.layout import Layout
from toppcloud.node import Node


@dataclass(frozen=True)
class KeptFile:
    """A kept path as it is now."""

    path: str
    is_folder: bool
    size_bytes: int
    written_at: datetime | None
    """None when nothing has been written there yet."""


def keep_paths(node: Node, app: AppLayout, paths: Iterable[str], *, missing_too: bool = False) -> list[str]:
    """Keep `paths` from now on, the live release included; returns those that were not kept before.

    With `missing_too` the live release also gets links for what it has not written yet. The caller holds the release
    lock. Raises ToppcloudError, and then nothing has changed.
    """
    kept = read_app_settings(app).kept_files
    new = [path for path in dict.fromkeys(parse_kept_path(path) for path in paths) if path not in kept]
    for path in new:
        refuse_overlap(path, [*kept, *new])
        _refuse_code(app, path)
    if not new:
        return []
    make_files_folder(app, node.account)
    edit_app_settings(
        app, lambda settings: _with_kept(settings, [*settings.kept_files, *new])
    )  # first: see gather_kept
    number = app.live_number()
    if number is not None:
        source = app.release(number).source
        there = [path for path in new if missing_too or os.path.lexists(source / path)]
        try:
            act_as(node.account, functools.partial(move_all, source, app.files, there))
        except BaseException:
            unkeep_paths(node, app, new)
            raise
    return new


def unkeep_paths(node: Node, app: AppLayout, paths: Sequence[str]) -> None:
    """Undo `keep_paths`: the live release has its own again, and what a refused release brought is gone.

    The caller holds the release lock.
    """
    if not paths:
        return
    number = app.live_number()
    for path in paths:
        if number is not None:
            act_as(node.account, functools.partial(move_back, app.release(number).source, app.files, path))
        act_as(node.account, functools.partial(remove_tree, app.files / path))
    edit_app_settings(app, lambda settings: _with_kept(settings, [p for p in settings.kept_files if p not in paths]))


def gather_kept(app: AppLayout, source: Path, account: Account) -> None:
    """Before a change: what the live release has put in place of its links goes into files/, and is linked again."""
    kept = read_app_settings(app).kept_files
    replaced = [path for path in kept if _is_replaced(source / path)]
    if replaced:
        act_as(account, functools.partial(move_all, source, app.files, replaced))


def gather_late(app: AppLayout, source: Path, account: Account) -> None:
    """As `gather_kept`, for a drained release: of its last write and that of its successor, the later one stays."""
    for path in read_app_settings(app).kept_files:
        here, kept = source / path, app.files / path
        if not _is_replaced(here):
            continue
        if here.is_file() and kept.is_file() and here.stat().st_mtime_ns <= kept.stat().st_mtime_ns:
            act_as(account, here.unlink)
        else:
            act_as(account, functools.partial(move_behind_link, source, app.files, path))


def link_kept(app: AppLayout, source: Path, kept: Sequence[str], account: Account) -> None:
    """Link each kept path into the source folder of a release that does not run yet, and belongs to `account`."""
    if kept:
        make_files_folder(app, account)
        act_as(account, functools.partial(link_all, source, app.files, kept))


def make_files_folder(app: AppLayout, account: Account) -> None:
    """apps/blog/files, the app's own."""
    if not app.files.exists():
        app.files.mkdir(mode=0o755)
        account.own(app.files)


def list_kept(app: AppLayout) -> list[KeptFile]:
    """All kept paths with what they hold."""
    return [_describe(app.files / path, path) for path in read_app_settings(app).kept_files]


def gather_databases(node: Node, app: AppLayout) -> None:
    """For an app that no longer runs and is being destroyed: databases that the live release wrote beside its code
    join files/. Raises ToppcloudError when something is in the way there."""
    databases = _list_written_databases(app)
    if not databases:
        return
    make_files_folder(app, node.account)
    source = app.release(app.live_number() or 0).source
    try:
        act_as(node.account, functools.partial(_join_files, source, app.files, databases))
    except OSError as error:
        raise ToppcloudError(
            f"{', '.join(databases)} cannot be kept: {error.strerror} ({error.filename}).",
            f"{app.name} no longer runs, and its data is still there.",
            f"Move it away on the node, or destroy it too: toppcloud apps:destroy -a {app.name} --discard-data",
            reason="data cannot be kept",
        ) from error


def save_files(layout: Layout, app: AppLayout) -> list[Path]:
    """files/ of an app that is being destroyed moves into kept/. Nothing in it, no folder."""
    if not app.files.is_dir() or not any(app.files.iterdir()):
        return []
    layout.kept.mkdir(mode=0o700, exist_ok=True)
    target = layout.kept_from(app.name, f"{now_utc():%Y%m%dT%H%M%SZ}", "files")
    app.files.rename(target)
    return [target]


def _join_files(source: Path, files: Path, databases: Sequence[str]) -> None:
    """As the account: a link that the app has put into files/ leads it no further than it may go by itself."""
    for path in databases:
        for suffix in ("", *COMPANIONS):
            if (place := source / f"{path}{suffix}").exists():
                (files / path).parent.mkdir(parents=True, exist_ok=True)
                place.rename(files / f"{path}{suffix}")


def _list_written_databases(app: AppLayout) -> list[str]:
    release = read_live_release(app)
    if release is None:
        return []
    kept = read_app_settings(app).kept_files
    written = find_written(app.release(release.version), app.slug(release.slug), kept)
    return [file.path for file in written if file.is_database]


def _is_replaced(path: Path) -> bool:
    return path.exists() and not path.is_symlink()


def _with_kept(settings: AppSettings, paths: Iterable[str]) -> AppSettings:
    return dataclasses.replace(settings, kept_files=tuple(dict.fromkeys(paths)))


def _describe(path: Path, name: str) -> KeptFile:
    files = [info for info in _stat_files(path)]
    size_bytes = size_of_tree(path) if path.is_dir() else sum(info.st_size for info in files)
    latest = max((info.st_mtime for info in files), default=None)
    written_at = None if latest is None else datetime.fromtimestamp(latest, UTC)
    return KeptFile(name, path.is_dir(), size_bytes, written_at)


def _stat_files(path: Path) -> Iterator[os.stat_result]:
    """Of the file, or of all regular files below the folder."""
    if path.is_file() and not path.is_symlink():
        yield path.lstat()
    yield from stat_tree(path)


def _refuse_code(app: AppLayout, path: str) -> None:
    """Keeping the app's code would hide every later version of it."""
    release = read_live_release(app)
    if release is None:
        return
    place = app.slug(release.slug).source / path
    code = [place] if place.suffix == ".py" and place.is_file() else sorted(place.rglob("*.py"))[:1]
    if code:
        raise ToppcloudError(
            f"'{path}' holds code of the app.",
            f"{code[0].relative_to(app.slug(release.slug).source)} would stay as it is now, whatever is pushed.",
            "Keep the folder or file that the app writes, not one that it is made of.",
            reason="kept path holds code",
        )
