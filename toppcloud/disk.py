"""A full disk, told as what it is."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from toppcloud.errors import ToppcloudError


@contextlib.contextmanager
def refusing_full_disk() -> Iterator[None]:
    """Turn ENOSPC and EDQUOT inside the block into a refusal that a person understands."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ToppcloudError(
            "The node's disk is full.",
            f"Writing {error.filename or 'a file'} failed. The live release was not touched.",
            "See what takes space: toppcloud node doctor",
            reason="disk full on the node",
        ) from error
