"""What a release wrote in its source folder, which the next one will not have. Looks only; changes nothing.

Bytecode, caches, logs and pid files are not worth a word.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deploy.kept_path import is_below
from deploy.sqlite_file import COMPANIONS, is_sqlite
from toppcloud.app_layout import ReleaseLayout, SlugLayout
from toppcloud.tree import DEEPEST

_PASSING_FOLDERS = frozenset({"__pycache__", ".cache"})
_PASSING_ENDINGS = (".pyc", ".log", ".pid")
_LONGEST_PATH = 3800  # the kernel takes 4095, and names below it want room
_SQLITE_PAGE = 512  # the smallest: a database is a multiple of it


@dataclass(frozen=True)
class WrittenFile:
    """A file that the slug does not have, or has with other content."""

    path: str
    """Below the source folder: `uploads/2026/cat.jpg`."""
    size_bytes: int
    written_at: float
    """Seconds since 1970."""
    is_database: bool
    """Whether it is a SQLite database; its -wal and -journal are then part of it."""
    new_folder: str
    """The topmost folder above it that the slug does not have: `uploads`; empty when the slug has them all."""


def find_written(release: ReleaseLayout, slug: SlugLayout, kept: Sequence[str] = ()) -> list[WrittenFile]:
    """All files that the release wrote in its source folder, but for `kept` paths. Quick: two listings side by side."""
    found: list[WrittenFile] = []
    if release.source.is_dir():
        _compare(str(release.source), str(slug.source), "", "", found)
    written = [file for file in found if not is_below(file.path, kept)] if kept else found
    return sorted(_join_companions(written, str(release.source)), key=lambda file: file.path)


def _compare(ours: str, theirs: str | None, prefix: str, new_folder: str, found: list[WrittenFile]) -> None:
    known = _list(theirs) if theirs else {}
    for name, entry in _list(ours).items():
        before = known.get(name)
        path = prefix + name
        if entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            if name not in _PASSING_FOLDERS:
                is_new = before is None or not before.is_dir(follow_symlinks=False)
                inner = None if is_new or before is None else before.path
                new = new_folder or (path if is_new else "")
                if path.count("/") >= DEEPEST or len(entry.path) > _LONGEST_PATH:
                    written_at = entry.stat(follow_symlinks=False).st_mtime
                    found.append(WrittenFile(path, 0, written_at, False, new))  # what lies in it is not looked at
                else:
                    _compare(entry.path, inner, f"{path}/", new, found)
        elif entry.is_file(follow_symlinks=False) and not name.endswith(_PASSING_ENDINGS):
            info = entry.stat(follow_symlinks=False)
            if before is None or not _is_same(entry.path, info, before):
                is_database = info.st_size % _SQLITE_PAGE == 0 and is_sqlite(entry.path)
                found.append(WrittenFile(path, info.st_size, info.st_mtime, is_database, new_folder))


def _list(folder: str) -> dict[str, os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry for entry in entries}
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}


def _is_same(path: str, info: os.stat_result, before: os.DirEntry[str]) -> bool:
    """Copies keep size and time; whoever has another time is compared by content."""
    if not before.is_file(follow_symlinks=False):
        return False
    then = before.stat(follow_symlinks=False)
    if info.st_size != then.st_size:
        return False
    if info.st_mtime_ns == then.st_mtime_ns:
        return True
    try:
        return filecmp.cmp(path, before.path, shallow=False)
    except OSError:
        return False


def _join_companions(found: Iterable[WrittenFile], source: str) -> list[WrittenFile]:
    """A written `db-wal` or `db-journal` means that `db` was written; none of them is listed by itself."""
    files = {file.path: file for file in found}
    for file in list(files.values()):
        suffix = next((end for end in COMPANIONS if file.path.endswith(end)), None)
        if suffix is None:
            continue
        base = file.path.removesuffix(suffix)
        main = files.get(base)
        if main is None and is_sqlite(f"{source}/{base}"):
            main = replace(file, path=base, size_bytes=os.lstat(f"{source}/{base}").st_size, is_database=True)
            if not file.size_bytes or suffix == "-shm":
                del files[file.path]
                continue
        if main is not None and main.is_database:
            written_at = max(main.written_at, file.written_at)
            files[base] = replace(main, size_bytes=main.size_bytes + file.size_bytes, written_at=written_at)
            del files[file.path]
    return list(files.values())
