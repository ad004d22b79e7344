"""A full disk, told as what it is."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from toppcloud.errors import ToppcloudError
from toppcloud.program import ProgramFailed

_LITTLE_BYTES = 1 << 20


@contextlib.contextmanager
def refusing_full_disk(folder: Path | None = None) -> Iterator[None]:
    """Turn ENOSPC and EDQUOT inside the block into a refusal that a person understands; likewise what a program fails
    of that was to write into `folder`, when there is no space left."""
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise refuse_full_disk(error) from error
    except ProgramFailed as error:
        if folder is None or not has_no_space(folder):
            raise
        raise refuse_full_disk(error) from error


def has_no_space(folder: Path) -> bool:
    """Whether next to nothing can be written there."""
    info = os.statvfs(folder)
    return info.f_bavail * info.f_frsize < _LITTLE_BYTES


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
