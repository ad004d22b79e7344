"""Public files packed with gzip beside the originals, where that pays: the router sends `app.css.gz` to who takes it.

Packing reads what the app has written, so it is the app's account that does it, within a time limit.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from toppcloud.account import Account
from toppcloud.acting import act_as
from toppcloud.files import remove_tree
from toppcloud.tree import take_tree

_PACKABLE = re.compile(
    r"\.(?:css|csv|eot|html?|ico|ics|m?js|json|map|markdown|md|otf|rss|svg|te?xt|ttf|vtt|wasm|webmanifest|xhtml|xml|xsl)$",
    re.IGNORECASE,
)
_SMALLEST, _LARGEST = 1024, 32 << 20
_WORTH = 0.9
_LIMIT_S = 20.0
_CHUNK = 1 << 20
_FLUSHED_ONE_BY_ONE = 32


def is_packable(name: str, size_bytes: int) -> bool:
    """Whether a file of that name and size may become much smaller."""
    return _SMALLEST <= size_bytes <= _LARGEST and _PACKABLE.search(name) is not None


def pack(files: list[Path], tmp: Path, account: Account, place: Callable[[Path, Path], None]) -> None:
    """Pack `files`; `place(file, packed)` is called for each that became much smaller. `tmp` does not exist and is not
    there afterwards. What is not done within the time limit stays as it is."""
    tmp.mkdir(mode=0o700)
    try:
        account.own(tmp)
        act_as(account, lambda: _pack_all(files, tmp))
        if not account.is_self:
            take_tree(tmp, account.gid)
        worth = {file: tmp / str(number) for number, file in enumerate(files) if _pays(file, tmp / str(number))}
        for packed in worth.values():
            packed.chmod(0o644)
        _flush(list(worth.values()))
        for file, packed in worth.items():
            place(file, packed)
    finally:
        remove_tree(tmp)


def _pays(file: Path, packed: Path) -> bool:
    is_there = packed.is_file() and not packed.is_symlink()
    return is_there and packed.stat().st_size <= file.stat().st_size * _WORTH


def _flush(files: list[Path]) -> None:
    """After a power cut nobody is to be sent an empty file under a good name."""
    if len(files) > _FLUSHED_ONE_BY_ONE:
        os.sync()
        return
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())


def _pack_all(files: list[Path], tmp: Path) -> None:
    """The same bytes yield the same bytes: no name and no time is put into them."""
    deadline = time.monotonic() + _LIMIT_S
    for number, file in enumerate(files):
        packed = tmp / str(number)
        with contextlib.suppress(OSError), file.open("rb") as source, packed.open("wb") as target:
            with gzip.GzipFile("", "wb", fileobj=target, mtime=0) as packer:
                while time.monotonic() < deadline and (chunk := source.read(_CHUNK)):
                    packer.write(chunk)
            if time.monotonic() < deadline:
                continue
        packed.unlink(missing_ok=True)
        if time.monotonic() >= deadline:
            return
