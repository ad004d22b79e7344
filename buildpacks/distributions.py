"""What is installed in a virtualenv, read from its .dist-info folders: no program is run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_SEPARATORS = re.compile(r"[-_.]+")


def read_distributions(venv: Path) -> dict[str, str]:
    """{"flask": "3.1.0"}, by normalised name. Source: https://packaging.python.org/specifications/recording-installed-packages/"""
    found = {}
    for folder in venv.glob("lib/python3*/site-packages/*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        found[normalise(name)] = version
    return dict(sorted(found.items()))


def normalise(name: str) -> str:
    """`Flask_SQLAlchemy` -> `flask-sqlalchemy`."""
    return _SEPARATORS.sub("-", name).lower()


def describe_changes(old: Mapping[str, str], new: Mapping[str, str], most: int = 5) -> str:
    """`+httpx 0.28.1, django 5.2.8 -> 5.2.9, -six`; empty when nothing changed."""
    parts = [f"+{name} {version}" for name, version in new.items() if name not in old]
    parts += [f"{name} {old[name]} -> {new[name]}" for name in new if name in old and old[name] != new[name]]
    parts += [f"-{name}" for name in old if name not in new]
    rest = f", {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + rest
