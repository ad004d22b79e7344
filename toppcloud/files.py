"""Files that are either the old or the new, whole: written aside, flushed, renamed over. Links likewise."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toppcloud.errors import ToppcloudError
from toppcloud.program import run
from toppcloud.tree import take_folders

_REMOVAL_TIMEOUT_S = 600.0
_WRITERS_TIMEOUT_S = 5.0


def write_file(path: Path, content: str | bytes, *, mode: int = 0o644, is_durable: bool = True) -> None:
    """Replace `path` by `content` in one step that survives a power cut. The mode holds from the first byte.

    What is written anew at every start of a node need not be durable, and costs no wait for the disk.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = _temporary_name(path)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    if is_durable:
        sync_folder(path.parent)


def write_json(path: Path, value: Any, *, mode: int = 0o644, is_durable: bool = True) -> None:
    """As `write_file`, with `value` as indented JSON."""
    write_file(path, json.dumps(value, indent=2, sort_keys=True) + "\n", mode=mode, is_durable=is_durable)


def read_json(path: Path, default: Any = None) -> Any:
    """The JSON value in `path`; `default` when there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return default


def read_plain_file(path: Path, most_bytes: int) -> bytes | None:
    """The first `most_bytes` of a file that programs of an app may exchange meanwhile; None when it is none: nothing of
    a link, which may lead to what is for us only, and no wait for a pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read(most_bytes)


def swap_symlink(link: Path, target: str | Path) -> None:
    """Make `link` point to `target` in one rename: a reader sees the old or the new, never neither."""
    temporary = _temporary_name(link)
    temporary.symlink_to(target)
    try:
        temporary.replace(link)
    except BaseException:
        temporary.unlink()
        raise
    sync_folder(link.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_tree(path: Path) -> None:
    """Remove `path` and all below it, if it is there. Renamed aside first, so that no reader sees half of it."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return
    doomed = path.with_name(f".gone-{secrets.token_hex(4)}")
    try:
        path.rename(doomed)
    except FileNotFoundError:
        return
    _remove(doomed)


def set_aside(path: Path, folder: Path) -> None:
    """Take `path` away, if it is there, in no time: `sweep_removed` of `folder` on the same disk removes it."""
    with contextlib.suppress(FileNotFoundError):
        path.rename(folder / f".gone-{secrets.token_hex(4)}")


def _remove(path: Path) -> None:
    """Remove a tree, read-only folders in it included, and however deep an app has made it."""
    try:
        shutil.rmtree(path)
    except RecursionError:
        _remove_deep(path)
    except FileNotFoundError:
        if os.path.lexists(path):
            _remove(path)  # somebody else removes below it: what they took is gone, the rest is ours
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENAMETOOLONG):
            _remove_deep(path)
            return
        if error.errno == errno.ENOTEMPTY:
            _remove_from_writers(path)
            return
        if not isinstance(error, PermissionError):
            raise
        with contextlib.suppress(ToppcloudError):
            _remove_deep(path)  # all that may be removed as it is
        _open_folders(path)
        _remove_deep(path)


def _remove_from_writers(path: Path) -> None:
    """Programs that a build step left running write below it: root locks them out, anybody else tries again."""
    deadline = time.monotonic() + _WRITERS_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ToppcloudError):
            if os.geteuid() == 0:
                take_folders(path)
            shutil.rmtree(path)
        if not os.path.lexists(path):
            return
    _remove_deep(path)


def _open_folders(path: Path) -> None:
    """Folders only: a file may have links elsewhere, where its mode counts."""
    with contextlib.suppress(FileNotFoundError):
        path.chmod(stat.S_IRWXU)
    for folder, folders, _ in os.walk(path):
        for name in folders:
            inner = Path(folder, name)
            with contextlib.suppress(OSError):  # too deep, or gone: rm will tell
                if not inner.is_symlink():
                    inner.chmod(stat.S_IRWXU)


def _remove_deep(path: Path) -> None:
    """shutil calls itself, and holds a descriptor, for each level."""
    run(["rm", "--recursive", "--force", "--", path], timeout_s=_REMOVAL_TIMEOUT_S)


def sweep_temporary(folder: Path) -> None:
    """Remove what an interruption left in `folder`: half-written files, links, folders made aside or removed."""
    for path in (*folder.glob(".new-*"), *folder.glob(".gone-*")):
        if path.is_dir() and not path.is_symlink():
            _remove(path)
        else:
            path.unlink(missing_ok=True)


def sweep_removed(folder: Path) -> None:
    """Remove what was set aside in `folder`. Others may do the same meanwhile."""
    for path in folder.glob(".gone-*"):
        _remove(path)


def size_of_tree(path: Path) -> int:
    """Bytes on disk of all below `path`, each inode counted once."""
    files = {(info.st_dev, info.st_ino): info.st_blocks * 512 for info in stat_tree(path)}
    return sum(files.values())


def stat_tree(path: Path) -> Iterator[os.stat_result]:
    """Of all regular files below `path`, however deep. What cannot be looked at, or goes meanwhile, is left out."""
    pending = [os.fspath(path)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):
                        yield entry.stat(follow_symlinks=False)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".new-{secrets.token_hex(4)}")
