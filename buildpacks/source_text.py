"""Text files of a pushed project. Only what lies inside the project is read, by whatever links it is reached."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

from toppcloud.errors import ToppcloudError

_LARGEST_FILE = 32_000_000


def is_plain_file(path: Path) -> bool:
    """Whether there is a file of the project's own, and no link to somewhere else. No name is too long to be asked."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def read_source_text(source: Path, name: str) -> str | None:
    """The text of the file `name` in the project `source`; None when there is no such file.

    UTF-8, or UTF-16 as PowerShell writes it: a byte order mark tells, and is left out. Other bytes become U+FFFD.
    Raises ToppcloudError when it cannot be read.
    """
    path = source / name
    if not path.is_file():
        return None
    why = "It leads outside the project." if not path.resolve().is_relative_to(source.resolve()) else ""
    why = why or ("It is larger than 32 MB." if path.stat().st_size > _LARGEST_FILE else "")
    if why:
        raise ToppcloudError(f"{name} cannot be read.", why, f"Replace it: git add {name}", reason=f"unreadable {name}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ToppcloudError(f"{name} cannot be read.", str(error.strerror), reason=f"unreadable {name}") from error
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return content.decode(encoding, errors="replace").replace("\r\n", "\n")
