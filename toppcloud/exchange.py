"""Two paths change places in one step: whoever opens either of them meets the old or the new, never neither.

Source: renameat2(2), RENAME_EXCHANGE.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS)


def exchange(a: Path, b: Path) -> None:
    """Both exist and lie in one file system; they may be of different kinds. Raises OSError.

    Where the file system cannot do it, three renames stand in, with a gap of microseconds at `a`.
    """
    try:
        _exchange_at_once(a, b)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        aside = a.with_name(f".new-{secrets.token_hex(4)}")
        a.rename(aside)
        b.rename(a)
        aside.rename(b)


def _exchange_at_once(a: Path, b: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(a), None, str(b))
