"""Text files of a pushed project. Only what lies inside the project is read, by whatever links it is reached."""

from __future__ import annotations

from pathlib import Path

from toppcloud.errors import ToppcloudError

_LARGEST_FILE = 32_000_000


def read_source_text(source: Path, name: str) -> str | None:
    """The text of the file `name` in the project `source`; None when there is no such file.

    Bytes that are no UTF-8 become U+FFFD, a byte order mark is left out. Raises ToppcloudError when it cannot be read.
    """
    path = source / name
    if not path.is_file():
        return None
    why = "It leads outside the project." if not path.resolve().is_relative_to(source.resolve()) else ""
    why = why or ("It is larger than 32 MB." if path.stat().st_size > _LARGEST_FILE else "")
    if why:
        raise ToppcloudError(f"{name} cannot be read.", why, f"Replace it: git add {name}", reason=f"unreadable {name}")
    try:
        return path.read_text(errors="replace").removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    except OSError as error:
        raise ToppcloudError(f"{name} cannot be read.", str(error.strerror), reason=f"unreadable {name}") from error
