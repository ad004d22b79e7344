"""What a virtualenv is made from, part by part: it decides whether one can be used again, and says why one cannot.

{"python": "3.12.7", "build": "cpython-3.12.7-1f3a", "manager": "pip", "lock": "sha256:…", "servers": ["gunicorn"],
 "variables": {"PIP_EXTRA_INDEX_URL": "a41c"}, "local": ""}

Of a variable's value only 16 bits of its hash are kept: enough to see that it changed, too little to guess it by.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from buildpacks.dependencies import hash_local
from buildpacks.installer import Installation

FORMAT = 1
"""Changes when this version of toppcloud would make another virtualenv of the same parts."""
_KEY_LENGTH = 16


@dataclass(frozen=True)
class Recipe:
    """The parts. Equal ones yield an equal virtualenv."""

    format: int
    python: str
    build: str
    """Which build of that Python."""
    manager: str
    lock: str
    servers: tuple[str, ...]
    variables: Mapping[str, str]
    local: str
    """One hash over what is installed from the project's own folders; empty without any."""


def read_recipe(installation: Installation, keyed: Mapping[str, str]) -> Recipe:
    """`keyed` are the variables that decide what an installation yields."""
    dependencies = installation.dependencies
    return Recipe(
        format=FORMAT,
        python=installation.interpreter.version,
        build=installation.interpreter.build,
        manager=dependencies.manager,
        lock=dependencies.lock_hash,
        servers=installation.servers,
        variables={name: hashlib.sha256(value.encode()).hexdigest()[:4] for name, value in keyed.items()},
        local=hash_local(installation.source, dependencies.local) if dependencies.local else "",
    )


def compute_key(recipe: Recipe, keyed: Mapping[str, str]) -> str:
    """16 hexadecimal digits over all parts, and over the whole values of the variables."""
    parts = {**asdict(recipe), "variables": sorted(keyed.items())}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_KEY_LENGTH]


def parse_recipe(value: Any) -> Recipe | None:
    """What a virtualenv's record says; None for one of an older toppcloud."""
    try:
        return Recipe(**{**value, "servers": tuple(value["servers"])})
    except (TypeError, KeyError):
        return None


def explain(before: Recipe, now: Recipe) -> list[str]:
    """Why a virtualenv of `before` is not one of `now`, but for the lock: `["Python changed (3.11.2 -> 3.12.7)"]`."""
    reasons = []
    if before.python != now.python:
        reasons.append(f"Python changed ({before.python} -> {now.python})")
    elif before.build != now.build:
        reasons.append(f"another build of Python {now.python}")
    if before.manager != now.manager:
        reasons.append(f"the package manager changed ({before.manager} -> {now.manager})")
    if before.servers != now.servers:
        reasons.append(_explain_servers(set(before.servers), set(now.servers)))
    changed = {name for name, _ in set(before.variables.items()) ^ set(now.variables.items())}
    if changed:
        reasons.append(f"{_join(changed)} changed")
    if before.local != now.local:
        reasons.append("what is installed from the project's own folders changed")
    if before.format != now.format:
        reasons.append("this toppcloud makes them in another way")
    return reasons


def _explain_servers(before: set[str], now: set[str]) -> str:
    parts = []
    if now - before:
        parts.append(f"{_join(now - before)} runs it now")
    if before - now:
        parts.append(f"{_join(before - now)} does not run it any more")
    return " and ".join(parts)


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
