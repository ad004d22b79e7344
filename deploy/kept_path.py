"""The name of something that an app keeps over releases: a path below its source folder. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from toppcloud.errors import ToppcloudError

_LONGEST = 200
_NOT_KEPT = {".git": "git's own", ".venv": "the virtualenv's"}


def parse_kept_path(text: str) -> str:
    """`./media/` -> `media`. Raises ToppcloudError for what does not lie below the source folder."""
    path = PurePosixPath(text)
    if not path.parts or path.is_absolute() or ".." in path.parts or not text.isprintable() or len(text) > _LONGEST:
        raise ToppcloudError(
            f"'{text}' cannot be kept.",
            "What is kept is named by its path inside the app's folder.",
            "Example: toppcloud files:keep db.sqlite3 media",
            reason="invalid path",
        )
    if path.parts[0] in _NOT_KEPT:
        raise ToppcloudError(f"'{text}' cannot be kept.", f"{path.parts[0]} is {_NOT_KEPT[path.parts[0]]}.")
    return str(path)


def refuse_overlap(path: str, kept: Iterable[str]) -> None:
    """Raises ToppcloudError when one of two paths lies inside the other."""
    for other in kept:
        if other != path and (_is_inside(path, other) or _is_inside(other, path)):
            inner, outer = (path, other) if _is_inside(path, other) else (other, path)
            raise ToppcloudError(
                f"'{path}' cannot be kept beside '{other}'.",
                f"{inner} lies in {outer}, and one of them is kept already.",
                "See: toppcloud files",
                reason="kept paths overlap",
            )


def is_below(path: str, kept: Iterable[str]) -> bool:
    """Whether `path` is one of `kept`, or lies in one of them."""
    return any(path == other or _is_inside(path, other) for other in kept)


def looks_like_folder(path: str) -> bool:
    """What a path that is not there yet will be: `media` a folder, `db.sqlite3` a file."""
    return not PurePosixPath(path).suffix


def _is_inside(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder) and path != folder
