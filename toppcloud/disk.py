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
        if not is_full_disk(error):
            raise
        raise refuse_full_disk(error) from error


def is_full_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def refuse_full_disk(error: BaseException) -> ToppcloudError:
    """The refusal for an error that `is_full_disk`."""
    return ToppcloudError(
        "The node's disk is full.",
        f"Writing {getattr(error, 'filename', None) or 'a file'} failed. The live release was not touched.",
        "See what takes space: toppcloud node doctor",
        reason="disk full on the node",
    )
