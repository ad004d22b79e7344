"""SQLite databases as files: recognised by content, held still for a moment, moved with their companions.

A database `db.sqlite3` may have `db.sqlite3-wal`, `-shm` and `-journal` beside it; they are looked for beside the
place that links lead to. Source: https://sqlite.org/fileformat2.html, https://sqlite.org/tempfiles.html
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from toppcloud.errors import ToppcloudError

COMPANIONS = ("-wal", "-shm", "-journal")
_MAGIC = b"SQLite format 3\0"
_BUSY_TIMEOUT_S = 10.0
_POLL_S = 0.0005


def is_sqlite(path: str | Path) -> bool:
    """Whether the regular file at `path` begins as a SQLite database does. False for what cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.read(fd, len(_MAGIC)) == _MAGIC
    except OSError:
        return False
    finally:
        os.close(fd)


@contextlib.contextmanager
def hold_still(database: Path) -> Iterator[None]:
    """No transaction changes the database while the block runs. Raises ToppcloudError when one lasts over 10 s."""
    connection = sqlite3.connect(database, timeout=0, isolation_level=None)
    try:
        _begin(connection, database)
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _begin(connection: sqlite3.Connection, database: Path) -> None:
    """Asked for often, where SQLite itself would wait longer and longer and never meet a busy program's pauses."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("BEGIN EXCLUSIVE")
            return
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline:
                raise ToppcloudError(
                    f"{database.name} is being written to without a pause.",
                    f"No moment without a transaction came within {_BUSY_TIMEOUT_S:.0f} s: {error}.",
                    "Try again in a moment; nothing was changed.",
                    reason="the database is busy",
                ) from error
            time.sleep(_POLL_S)


def link_companions(database: Path, target: Path) -> None:
    """Let what is to be beside `target` be the very files that are beside `database`; older ones there go."""
    for suffix in COMPANIONS:
        theirs, ours = Path(f"{database}{suffix}"), Path(f"{target}{suffix}")
        ours.unlink(missing_ok=True)
        if theirs.exists():
            os.link(theirs, ours)
