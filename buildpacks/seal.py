"""The end of a build: equal files become links to the previous slug's, and slug.json makes it real."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from buildpacks.manifest import read_manifest
from buildpacks.public_tree import make_public_tree
from toppcloud.account import Account
from toppcloud.app_layout import SlugLayout
from toppcloud.files import remove_tree
from toppcloud.slug import Slug, write_slug
from toppcloud.tree import take_tree

_FLUSHED_ONE_BY_ONE = 32


def seal(layout: SlugLayout, slug: Slug, previous: SlugLayout | None, account: Account) -> None:
    """From here on nothing runs or writes in the slug. As root its files become root's: no app can write to them."""
    remove_tree(layout.tmp)
    take_over(layout.source, account)
    own = list_own_files(layout.source)
    if previous is not None:
        own = link_equal_files(layout, previous, own)
    flush([*own, *list_own_files(layout.manifest)])
    make_public_tree(layout, slug, previous, account)
    write_slug(layout, slug)


def list_own_files(top: Path) -> list[bytes]:
    """Regular files at or below `top` that have one name only: no other slug has them."""
    if not top.is_dir():
        return [os.fsencode(top)] if top.is_file() and top.stat().st_nlink == 1 else []
    own = []
    pending = [os.fsencode(top)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_nlink == 1:
                    own.append(entry.path)
    return own


def link_equal_files(layout: SlugLayout, previous: SlugLayout, own: list[bytes]) -> list[bytes]:
    """Replace each of the files `own` that equals the previous slug's by a link to it. Returns the others."""
    older, newer = read_manifest(previous.manifest).files, read_manifest(layout.manifest).files
    top = _join(layout.source, b"")
    left = []
    for file in own:
        path = file.removeprefix(top)
        is_linked = False
        if path in newer and older.get(path) == newer[path]:
            with contextlib.suppress(OSError):  # gone, or too many links to it: it stays a file of its own
                is_linked = _link_if_alike(_join(previous.source, path), file)
        if not is_linked:
            left.append(file)
    return left


def take_over(source: Path, account: Account) -> None:
    """From here on root may work in `source`: no program of the account can put anything there any more."""
    if not account.is_self:
        take_tree(source, account.gid)


def flush(new: list[bytes]) -> None:
    """Bring new files to the disk: slug.json must not survive a power cut that they do not."""
    if len(new) > _FLUSHED_ONE_BY_ONE:
        os.sync()
        return
    for path in new:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def take_back(source: Path, account: Account) -> None:
    """As `take_over`, of a source that only `own_tree` gives to the account: quick when it did not."""
    if not account.is_self and source.stat().st_uid != 0:
        take_over(source, account)


def _link_if_alike(older: bytes, newer: bytes) -> bool:
    a, b = os.lstat(older), os.lstat(newer)
    if not stat.S_ISREG(a.st_mode) or (a.st_mode, a.st_size) != (b.st_mode, b.st_size) or os.path.samestat(a, b):
        return False
    aside = os.path.join(os.path.dirname(newer), f".new-{secrets.token_hex(8)}".encode())  # noqa: PTH118, PTH120
    os.link(older, aside, follow_symlinks=False)
    os.rename(aside, newer)  # noqa: PTH104 - bytes
    return True


def _join(folder: Path, path: bytes) -> bytes:
    return os.path.join(os.fsencode(folder), path)  # noqa: PTH118 - bytes: names need not be text
