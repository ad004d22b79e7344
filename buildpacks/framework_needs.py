"""Packages that a virtualenv needs and the app forgot: the server that its command names, and what old ones import."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SETUPTOOLS = "setuptools<81"
_PROGRAM = r"(?:^|[\s/'\"]){}(?=[\s'\"]|\Z)"
_SERVERS = {name: re.compile(_PROGRAM.format(name), re.MULTILINE) for name in ("gunicorn", "uvicorn", "hypercorn")}
_UVICORN_WORKER = re.compile(r"\buvicorn_worker\.")


def choose_servers(commands: Iterable[str]) -> tuple[str, ...]:
    """The servers that these commands run, of those that are added when an app does not list them."""
    text = "\n".join(commands)
    found = [name for name, pattern in _SERVERS.items() if pattern.search(text)]
    found += ["uvicorn-worker"] if _UVICORN_WORKER.search(text) else []
    return tuple(found)


def choose_unnamed(servers: Iterable[str], names: frozenset[str] | None) -> tuple[str, ...]:
    """The servers that the app does not ask for by name; none when that cannot be told before they are installed."""
    return () if names is None else tuple(server for server in servers if server not in names)


def choose_missing(servers: Iterable[str], distributions: Mapping[str, str]) -> tuple[str, ...]:
    """What must still be installed: servers that are not there, and the setuptools that old packages import.

    gunicorn before 21 and Flask before 2 import pkg_resources, which setuptools 81 begins to give up.
    """
    missing = [server for server in servers if server not in distributions]
    needs_old = _major(distributions.get("gunicorn"), 21) < 21 or _major(distributions.get("flask"), 2) < 2
    if needs_old and _major(distributions.get("setuptools"), 81) >= 81:
        missing.append(SETUPTOOLS)
    return tuple(missing)


def _major(version: str | None, missing: int) -> int:
    match = re.match(r"\d+", version or "")
    return int(match[0]) if match else missing
