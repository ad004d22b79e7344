"""The router's log of answers of 500 and above, a line each in cache/router/errors.log. Nothing else is in there.

{"ts": 1795358704.123, "status": 502, "duration": 0.25, "request": {"host": "blog.localhost:8080"}}
Both routers write it: `ts` is seconds since 1970 when the answer was given, `duration` how long the request took.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

_LARGEST_BYTES = 10 * 1024**2


@dataclass(frozen=True)
class RouterError:
    """An answer of 500 or above, as a visitor got it."""

    at: float
    """Seconds since 1970."""
    status: int
    host: str
    """As the routing table spells it: lower case, no port, no dot at its end."""
    took_s: float = 0.0

    @property
    def began_at(self) -> float:
        """When the request came: what an old release still answered came before the new one."""
        return self.at - self.took_s


def parse_router_error(line: bytes | str) -> RouterError | None:
    """The error in `line`; None for what is not one (half a line after a crash, an answer below 500)."""
    try:
        value = json.loads(line)
        host = str(value["request"]["host"]).lower().partition(":")[0].rstrip(".")
        error = RouterError(float(value["ts"]), int(value["status"]), host, float(value.get("duration", 0.0)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return error if error.status >= 500 and "/" not in error.host else None


def trim_router_errors(path: Path) -> None:
    """Empty the log when it is large: nobody reads what is old. The routers append, and go on at the new end.

    The folder is the router's account's, which could put a link there to a file that is not its own.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        info, folder = os.fstat(fd), path.parent.stat()
        is_its_own = stat.S_ISREG(info.st_mode) and info.st_nlink == 1 and info.st_uid == folder.st_uid
        if is_its_own and info.st_size > _LARGEST_BYTES:
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)
