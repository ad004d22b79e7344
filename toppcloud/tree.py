"""Changing the owner of a whole tree, through descriptors of its folders.

While root walks a tree, programs of the other owner may put links in place of its folders: a path would lead astray,
a descriptor does not. Links are never followed.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from toppcloud.errors import ToppcloudError

DEEPEST = 250
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give_tree(path: Path, uid: int, gid: int) -> None:
    """Give `path` and all below it to that user. A folder comes after what it holds: until then nobody else can write
    to it. A file with a second name becomes a copy, and stays as it is where that name is. Raises ToppcloudError when
    the tree is too deep."""

    def give(folder: int, name: str | bytes, info: os.stat_result) -> None:
        if stat.S_ISREG(info.st_mode) and info.st_nlink > 1 and info.st_uid != uid:
            _copy_over(folder, name, stat.S_IMODE(info.st_mode))
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)

    _change(_open_top(path), give, lambda _: None, lambda folder: os.fchown(folder, uid, gid), DEEPEST)


def take_tree(path: Path, gid: int) -> None:
    """Take `path` and all below it from whoever has it: root's, read by the group `gid`, written by nobody else.

    A folder comes before what it holds, which from then on nobody else can exchange. A file with a second name becomes
    a copy, since that name may be anywhere. Raises ToppcloudError when the tree is too deep.
    """

    def close(folder: int) -> None:
        os.fchown(folder, 0, gid)
        os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) & ~0o022 | 0o750)

    def take(folder: int, name: str | bytes, info: os.stat_result) -> None:
        if info.st_uid == 0:
            return
        if stat.S_ISREG(info.st_mode) and info.st_nlink > 1:
            _copy_over(folder, name)
        os.chown(name, 0, gid, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(info.st_mode):
            os.chmod(name, stat.S_IMODE(info.st_mode) & ~0o7022 | 0o040, dir_fd=folder)

    _change(_open_top(path), take, close, lambda _: None, DEEPEST)


def part_tree(path: Path) -> None:
    """Each file at or below `path` that has a second name becomes a copy, which may be written to."""

    def part(folder: int, name: str | bytes, info: os.stat_result) -> None:
        if stat.S_ISREG(info.st_mode) and info.st_nlink > 1:
            _copy_over(folder, name, stat.S_IMODE(info.st_mode))

    _change(_open_top(path), part, lambda _: None, lambda _: None, DEEPEST)


def take_folders(path: Path) -> None:
    """Take `path` and all folders below it, and leave the files: nobody else adds or removes anything from here on."""

    def close(folder: int) -> None:
        os.fchown(folder, 0, 0)
        os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) & ~0o022)

    _change(_open_top(path), lambda *_: None, close, lambda _: None, DEEPEST)


def _open_top(path: Path) -> int:
    return os.open(path, _OPEN_FOLDER)


def _change(
    folder: int,
    change: Callable[[int, str | bytes, os.stat_result], None],
    before: Callable[[int], None],
    after: Callable[[int], None],
    levels: int,
) -> None:
    """Call `before` on the folder, `change` on what lies in it, itself on the folders in it, `after` on the folder.

    The descriptor is closed."""
    try:
        if not levels:
            raise ToppcloudError(
                "The app's files lie too deep.",
                f"There are more than {DEEPEST} folders one inside the other.",
                "Find out which program made them, and remove them.",
                reason="folders too deep",
            )
        before(folder)
        for name in os.listdir(folder):
            info = os.lstat(name, dir_fd=folder)
            if stat.S_ISDIR(info.st_mode):
                _change(os.open(name, _OPEN_FOLDER, dir_fd=folder), change, before, after, levels - 1)
            else:
                change(folder, name, info)
        after(folder)
    finally:
        os.close(folder)


def _copy_over(folder: int, name: str | bytes, mode: int = 0o600) -> None:
    aside = f".new-{secrets.token_hex(8)}"
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(source, "rb", buffering=0):
        target = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(target, "wb", buffering=0):
            while os.sendfile(target, source, None, 1 << 30):
                pass
            os.fchmod(target, mode)
    os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
