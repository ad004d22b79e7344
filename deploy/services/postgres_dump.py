"""All data of one database as a file in kept/: plain SQL, gzip, without owners and grants, for any role to read.

zcat kept/blog-20261122T144504Z-postgres.sql.gz | toppcloud pg:psql -a blog
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

from deploy.services.postgres_database import open_cursor
from deploy.services.postgres_names import DatabaseAddress
from deploy.services.postgres_programs import choose_client_programs
from toppcloud.app_layout import AppLayout
from toppcloud.durations import now_utc
from toppcloud.files import sync_folder
from toppcloud.node import Node
from toppcloud.program import run

_TIMEOUT_S = 4 * 3600.0


def write_dump(node: Node, app: AppLayout, address: DatabaseAddress) -> Path:
    """Dump `address` into kept/ (0600). The file has its name only when it is whole and on the disk."""
    with open_cursor(address) as cursor:
        major = cursor.connection.server_version // 10000
    program = choose_client_programs(major).path("pg_dump")
    node.layout.kept.mkdir(mode=0o700, exist_ok=True)
    path = node.layout.kept_from(app.name, f"{now_utc():%Y%m%dT%H%M%SZ}", "postgres.sql.gz")
    unfinished = path.with_name(f".new-{path.name}")
    try:
        with _open_private(unfinished) as file:
            words = [str(program), "--no-password", "--no-owner", "--no-privileges", "--compress=1"]
            run(words, env=address.libpq_environment(), cwd=Path("/"), stdout=file, timeout_s=_TIMEOUT_S)
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        raise
    sync_folder(path.parent)
    return path


def _open_private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")
