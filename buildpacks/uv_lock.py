"""uv.lock as far as a build must know it: the Python that it needs, and the parts of the project that it installs.

[[package]]
name = "blog"
source = { editable = "." }      # `virtual` when the project is no package
Source: https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import PurePosixPath

from buildpacks.requirements_txt import LocalRequirement, keep_inside
from toppcloud.errors import ToppcloudError


@dataclass(frozen=True)
class UvLock:
    """What of uv.lock counts here."""

    requires_python: str | None
    local: tuple[LocalRequirement, ...]
    """Packages in the project's own folders, the project itself among them when it is one."""


def parse_uv_lock(text: str) -> UvLock:
    """Raises ToppcloudError when it is not a lock of uv's."""
    try:
        value = tomllib.loads(text)
        packages = value.get("package", [])
        sources = [package.get("source", {}) for package in packages]
        local = tuple(
            LocalRequirement(keep_inside(PurePosixPath("."), source[kind], "uv.lock"), kind == "editable")
            for source in sources
            for kind in ("editable", "directory", "path")
            if kind in source
        )
        requires_python = value.get("requires-python")
    except (tomllib.TOMLDecodeError, AttributeError, TypeError, RecursionError) as error:
        raise ToppcloudError(
            "uv.lock cannot be read.", str(error), "Make it again: uv lock", reason="invalid uv.lock"
        ) from error
    return UvLock(requires_python if isinstance(requires_python, str) else None, local)
