"""pyproject.toml as far as a build must know it. Source: https://packaging.python.org/specifications/pyproject-toml/"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from buildpacks.distributions import normalise
from toppcloud.errors import ToppcloudError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Pyproject:
    """What of pyproject.toml counts here."""

    requires_python: str | None
    has_dependencies: bool
    names: frozenset[str]
    """What [project] dependencies ask for, normalised."""
    is_package: bool
    """Whether the project installs itself: it has a build system (or says so to uv)."""
    uses_poetry: bool
    has_build_system: bool
    is_poetry_package: bool
    """Whether Poetry installs the project itself: `package-mode` says no, a missing build system leaves nothing to."""


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Raises ToppcloudError naming the line when `file` is not TOML."""
    try:
        return tomllib.loads(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ToppcloudError(
            f"{file} cannot be read.", str(error), "Correct that line.", reason=f"invalid {file}"
        ) from error


def parse_pyproject(text: str) -> Pyproject:
    """Raises ToppcloudError naming the line when it is not TOML."""
    value = parse_toml(text, "pyproject.toml")
    project, tool = _table(value, "project"), _table(value, "tool")
    said = _table(tool, "uv").get("package")
    requires_python = project.get("requires-python")
    return Pyproject(
        requires_python=requires_python if isinstance(requires_python, str) else None,
        has_dependencies=bool(project.get("dependencies")) or "dependencies" in (_texts(project.get("dynamic"))),
        names=frozenset(normalise(m[0]) for text in _texts(project.get("dependencies")) if (m := _NAME.match(text))),
        is_package="build-system" in value if said is None else bool(said),
        uses_poetry="poetry" in tool,
        has_build_system="build-system" in value,
        is_poetry_package="build-system" in value and _table(tool, "poetry").get("package-mode") is not False,
    )


def _table(value: dict[str, object], key: str) -> dict[str, object]:
    inner = value.get(key, {})
    return inner if isinstance(inner, dict) else {}


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
