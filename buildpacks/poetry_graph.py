"""Which packages of an old poetry.lock the application itself needs: it does not say so before lock-version 2.1.

From the dependencies in pyproject.toml along `[package.dependencies]`:

[package.dependencies]
numpy = [{version = ">=1.22", markers = "python_version < \\"3.11\\""}, {version = ">=1.26", markers = "…"}]
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from buildpacks.distributions import normalise
from buildpacks.poetry_constraint import parse_constraint, render_python_marker

_MOST_ROUNDS = 10
_EXTRA = re.compile(r"extra\s*==\s*(['\"])(?P<name>[^'\"]*)\1")
_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?(?P<rest>[^;]*);?(?P<marker>.*)"
)
_TRUE, _FALSE = 'python_version >= "0"', 'python_version < "0"'

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Edge:
    """One thing asks for another."""

    name: str
    extras: tuple[str, ...] = ()
    constraint: str = "*"
    marker: str = ""


def choose_main(entries: list[Entry], pyproject: Mapping[str, Any], python: str) -> list[Entry]:
    """The packages of the main group for this version of Python. Of several versions of one, those that fit."""
    environment = describe_environment(python)
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(normalise(entry["name"]), []).append(entry)
    roots = list(list_roots(pyproject))
    chosen = {name: _choose_newest(candidates, []) for name, candidates in by_name.items()}
    for _ in range(_MOST_ROUNDS):
        wanted = _follow(roots, chosen, environment)
        fitting = {name: _choose_newest(by_name[name], constraints) for name, constraints in wanted.items()}
        if all(chosen[name] is entry for name, entry in fitting.items()):
            break
        chosen |= fitting
    return [entry for entry in entries if any(chosen[name] is entry for name in wanted)]


def describe_environment(python: str) -> dict[str, str]:
    """What markers are asked about, of `python` on this machine. Source: PEP 508"""
    system = os.uname()
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": os.name,
        "platform_machine": system.machine,
        "platform_python_implementation": "CPython",
        "platform_release": system.release,
        "platform_system": system.sysname,
        "platform_version": system.version,
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": sys.platform,
    }


def _follow(roots: list[Edge], chosen: Mapping[str, Entry], environment: dict[str, str]) -> dict[str, list[str]]:
    """By name of each package that is wanted, the constraints that others put on it."""
    wanted: dict[str, list[str]] = {}
    pending, seen = list(roots), set()
    while pending:
        edge = pending.pop()
        name = normalise(edge.name)
        if name not in chosen or (edge.marker and not Marker(edge.marker).evaluate(environment)):
            continue
        wanted.setdefault(name, []).append(edge.constraint)
        for extra in ("", *edge.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                pending += _list_edges(chosen[name], extra)
    return wanted


def _choose_newest(candidates: list[Entry], constraints: list[str]) -> Entry:
    fitting = [entry for entry in candidates if all(_admits(text, entry["version"]) for text in constraints)]
    return max(fitting or candidates, key=lambda entry: Version(entry["version"]))


def _admits(constraint: str, version: str) -> bool:
    """A constraint that cannot be read admits everything: the lock was made by who can read it."""
    try:
        return any(SpecifierSet(text).contains(version, prereleases=True) for text in parse_constraint(constraint))
    except (ValueError, InvalidSpecifier):
        return True


def list_roots(pyproject: Mapping[str, Any]) -> Iterator[Edge]:
    """What the project asks for itself, without development groups and optional extras."""
    poetry = pyproject.get("tool", {}).get("poetry", {}).get("dependencies", {})
    for text in pyproject.get("project", {}).get("dependencies", []):
        if match := _REQUIREMENT.match(text):
            extras = tuple(normalise(extra) for extra in (match["extras"] or "").split(",") if extra.strip())
            yield Edge(match["name"], extras, match["rest"].strip(" ()") or "*", match["marker"].strip())
    for name, value in poetry.items():
        if name != "python":
            yield from (edge for edge, is_optional in _list_dependency(name, value) if not is_optional)


def _list_edges(entry: Entry, extra: str) -> Iterator[Edge]:
    """What a package needs: without extras what it always does, with one what that adds."""
    texts = next((texts for name, texts in entry.get("extras", {}).items() if normalise(name) == extra), ())
    named = {normalise(match[0]) for text in texts if (match := _name(text))}
    for name, value in entry.get("dependencies", {}).items():
        for edge, is_optional in _list_dependency(name, value):
            if not extra and not is_optional:
                yield edge
            elif extra and is_optional and normalise(name) in named:
                yield _without_extra(edge, extra)


def _list_dependency(name: str, value: object) -> Iterator[tuple[Edge, bool]]:
    """`"^1"`, `{version = "^1", markers = "…"}`, or a list of such; each with whether it is optional."""
    for item in value if isinstance(value, list) else [value]:
        table: Mapping[str, Any] = item if isinstance(item, dict) else {"version": item}
        markers = [str(table["markers"])] if table.get("markers") else []
        markers += [render_python_marker(str(table["python"]))] if table.get("python") else []
        markers += [f'sys_platform == "{table["platform"]}"'] if table.get("platform") else []
        marker = " and ".join(f"({marker})" for marker in markers if marker)
        extras = tuple(normalise(extra) for extra in table.get("extras", ()))
        yield Edge(name, extras, str(table.get("version", "*")), marker), bool(table.get("optional"))


def _without_extra(edge: Edge, extra: str) -> Edge:
    def say(match: re.Match[str]) -> str:
        return _TRUE if normalise(match["name"]) == extra else _FALSE

    return Edge(edge.name, edge.extras, edge.constraint, _EXTRA.sub(say, edge.marker))


def _name(text: str) -> re.Match[str] | None:
    return re.match(r"[A-Za-z0-9][\w.-]*", text)
