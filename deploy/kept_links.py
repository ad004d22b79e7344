"""Links from a release's source folder into files/, and how what a release wrote gets there without losing a write.

Runs as the account of the app: both folders are its own. What lies at a path and the link that takes its place change
places in one step (renameat2), so open files go on, and nobody finds the path empty.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from deploy.kept_path import looks_like_folder
from deploy.sqlite_file import hold_still, is_sqlite, link_companions
from toppcloud.errors import ToppcloudError
from toppcloud.exchange import exchange
from toppcloud.files import remove_tree


def link_new(source: Path, files: Path, path: str) -> None:
    """In a release that does not run yet: a link takes the place of what the slug brought, the first content."""
    here, kept = source / path, files / path
    _make_parents(source, here, path)
    kept.parent.mkdir(parents=True, exist_ok=True)
    if _leads_to(here, kept):
        return
    if os.path.lexists(here):
        if _is_empty_folder(kept) and here.is_dir():
            exchange(here, kept)  # kept before there was anything: what the slug brings is the first content
            here.rmdir()
        elif os.path.lexists(kept):
            remove_tree(here)
        else:
            here.rename(kept)
    elif not os.path.lexists(kept) and looks_like_folder(path):
        kept.mkdir()
    here.symlink_to(_target(here, kept))


def link_all(source: Path, files: Path, paths: Iterable[str]) -> None:
    """`link_new` for each path."""
    for path in paths:
        link_new(source, files, path)


def move_behind_link(source: Path, files: Path, path: str) -> None:
    """In a release that runs: what lies at `path` goes into files/, and a link takes its place at the same moment.

    When files/ has something there already, the release's own is the newer and replaces it.
    """
    here, kept = source / path, files / path
    _make_parents(source, here, path)
    kept.parent.mkdir(parents=True, exist_ok=True)
    while not _leads_to(here, kept):
        if not os.path.lexists(here):
            link_new(source, files, path)
        elif elsewhere := _read_link(here):
            raise ToppcloudError(
                f"'{path}' is a link already, to {elsewhere}.",
                "Only files and folders are kept.",
                "Keep what it leads to instead.",
                reason="a link cannot be kept",
            )
        elif is_sqlite(here):
            with hold_still(here):
                link_companions(here, kept)
                _change_places(here, kept)
        else:
            _change_places(here, kept)


def move_all(source: Path, files: Path, paths: Iterable[str]) -> None:
    """`move_behind_link` for each path."""
    for path in paths:
        move_behind_link(source, files, path)


def move_back(source: Path, files: Path, path: str) -> None:
    """Undo `move_behind_link`: what lies in files/ is the release's own again."""
    here, kept = source / path, files / path
    if not _leads_to(here, kept):
        return
    if not os.path.lexists(kept):
        here.unlink()
    elif is_sqlite(kept):
        with hold_still(kept):
            link_companions(kept, here)
            _put_back(here, kept)
    else:
        _put_back(here, kept)


def _put_back(here: Path, kept: Path) -> None:
    """A file is in both places for a moment, so that who has just read the link still finds it."""
    if kept.is_dir():
        exchange(here, kept)
    else:
        aside = _aside(here)
        os.link(kept, aside)
        aside.replace(here)
    kept.unlink()


def _change_places(here: Path, kept: Path) -> None:
    """One round; another is needed when a program has renamed something over `here` meanwhile."""
    if kept.is_symlink() or not kept.exists():
        if not kept.is_symlink():
            kept.symlink_to(_target(here, kept))
        exchange(here, kept)
    elif stat.S_ISREG(os.lstat(here).st_mode) and kept.is_file():
        _replace_file(here, kept)
    else:
        _replace_tree(here, kept)


def _replace_file(here: Path, kept: Path) -> None:
    """The newer file is in both places before the link is, so that no reader goes back in time."""
    aside = _aside(kept)
    try:
        os.link(here, aside)
    except FileNotFoundError:
        return
    moved = os.lstat(aside)
    aside.replace(kept)
    aside.symlink_to(_target(here, kept))
    exchange(here, aside)
    if os.path.samestat(os.lstat(aside), moved) or aside.is_symlink():
        aside.unlink()
    else:
        aside.replace(kept)


def _replace_tree(here: Path, kept: Path) -> None:
    """A folder where another was kept, or a file where a folder was: the older one stays, under another name."""
    older = kept.with_name(f"{kept.name}.before-{secrets.token_hex(3)}")
    older.symlink_to(_target(here, kept))
    exchange(kept, older)
    exchange(here, kept)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _target(here: Path, kept: Path) -> str:
    """`../../../files/media`"""
    return os.path.relpath(kept, here.parent)


def _leads_to(here: Path, kept: Path) -> bool:
    return _read_link(here) == _target(here, kept)


def _read_link(path: Path) -> str | None:
    """Where it leads, as text; None when it is no link, or no link any more."""
    try:
        return os.readlink(path)  # noqa: PTH115 - compared as text
    except OSError:
        return None


def _aside(path: Path) -> Path:
    return path.with_name(f".new-{secrets.token_hex(4)}")


def _make_parents(source: Path, here: Path, path: str) -> None:
    """Real folders from the source folder down to `here`; a file or a link among them is refused."""
    for folder in reversed(here.relative_to(source).parents[:-1]):
        whole = source / folder
        with contextlib.suppress(FileExistsError):
            whole.mkdir()
        if whole.is_symlink() or not whole.is_dir():
            raise ToppcloudError(
                f"'{path}' cannot be kept.",
                f"{folder} is {'a link' if whole.is_symlink() else 'a file'} in this version of the app.",
                "Rename it, or keep another path.",
                reason="kept path is in the way",
            )
