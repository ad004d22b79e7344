"""Poetry's way to say versions, as PEP 440 says it: `^3.8` -> `>=3.8,<4`.

Source: https://python-poetry.org/docs/dependency-specification/
"""

from __future__ import annotations

import re

_PART = re.compile(
    r"(?P<operator>~=|===|==|!=|>=|<=|>|<|=|\^|~)?\s*(?P<version>v?\d[\w.!+-]*?(?:\.[*x])?)\Z", re.IGNORECASE
)
_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)")


def parse_constraint(text: str) -> list[str]:
    """The specifiers of which one must be met: `<3.9 || ^3.11` -> ["<3.9", ">=3.11,<4"]. Raises ValueError."""
    return [_parse_all(alternative) for alternative in re.split(r"\|\|?", text)]


def _parse_all(text: str) -> str:
    text = re.sub(r"(?<=[<>=~^!])\s+", "", text.strip())
    return ",".join(said for part in re.split(r"\s*,\s*|\s+", text) if part and (said := _parse_one(part)))


def _parse_one(text: str) -> str:
    if text in ("*", "x"):
        return ""
    match = _PART.match(text)
    if match is None:
        raise ValueError(f"'{text}' is no version constraint")
    operator, version = match["operator"] or "==", match["version"].removeprefix("v").replace(".x", ".*")
    if operator == "^":
        return f">={version},<{_next(version, _count_kept(version))}"
    if operator == "~":
        return f">={version},<{_next(version, min(2, len(_release(version))))}"
    return f"{'==' if operator == '=' else operator}{version}"


def _release(version: str) -> list[int]:
    match = _RELEASE.match(version)
    assert match
    return [int(part) for part in match[1].split(".")]


def _count_kept(version: str) -> int:
    """How many numbers decide compatibility: up to the first that is not 0."""
    release = _release(version)
    return next((place for place, number in enumerate(release, 1) if number), len(release))


def _next(version: str, kept: int) -> str:
    release = _release(version)[:kept]
    return ".".join(map(str, [*release[:-1], release[-1] + 1]))


def render_python_marker(text: str) -> str:
    """`<3.9 || ^3.11` -> `(python_full_version < "3.9" or …)`; empty when every Python will do."""
    alternatives = []
    for alternative in parse_constraint(text):
        if not alternative:
            return ""
        parts = [re.match(r"([<>=!~]+)(.*)", part) for part in alternative.split(",")]
        said = " and ".join(f'python_full_version {part[1]} "{part[2]}"' for part in parts if part)
        alternatives.append(f"({said})" if len(parts) > 1 else said)
    return " or ".join(alternatives)
