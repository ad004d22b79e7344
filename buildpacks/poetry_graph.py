"""Which packages of an old poetry.lock the application itself needs: it does not say so before lock-version 2.1.

From the dependencies in pyproject.toml along `[package.dependencies]`. A package is wanted under a marker: any of
several conjunctions, as {{"sys_platform == 'win32'"}, {"python_version < '3.8'", "os_name == 'nt'"}}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildpacks.distributions import normalise
from buildpacks.poetry_constraint import parse_constraint, render_python_marker

_MOST_CONJUNCTIONS = 24
_EXTRA = re.compile(r"extra\s*==\s*(['\"])(?P<name>[^'\"]*)\1")
_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?(?P<rest>[^;]*);?(?P<marker>.*)"
)
_TRUE, _FALSE = 'python_version >= "0"', 'python_version < "0"'

Entry = Mapping[str, Any]
Conjunctions = frozenset[frozenset[str]]
ALWAYS: Conjunctions = frozenset({frozenset()})


@dataclass(frozen=True)
class Edge:
    """One thing asks for another."""

    name: str
    extras: tuple[str, ...] = ()
    constraint: str = "*"
    marker: str = ""


def choose_main(entries: list[Entry], pyproject: Mapping[str, Any]) -> list[tuple[Entry, str]]:
    """The packages of the main group, each with the marker under which it is wanted."""
    by_name: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        by_name.setdefault(normalise(entry["name"]), []).append(place)
    wanted: dict[tuple[int, str], Conjunctions] = {}
    pending: list[tuple[Edge, Conjunctions]] = [(edge, ALWAYS) for edge in list_roots(pyproject)]
    while pending:
        edge, above = pending.pop()
        under = _both(above, edge.marker)
        for place in _choose_candidates(by_name.get(normalise(edge.name), []), entries, edge.constraint):
            for extra in ("", *edge.extras):
                known = wanted.get((place, extra), frozenset())
                either = _either(known, under)
                if either != known:
                    wanted[place, extra] = either
                    pending += [(inner, either) for inner in _list_edges(entries[place], extra)]
    return [(entries[place], _render(wanted[place, ""])) for place, extra in sorted(wanted) if not extra]


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


def _choose_candidates(places: list[int], entries: list[Entry], constraint: str) -> list[int]:
    """Of several locked versions those that the constraint admits; all when it cannot be told."""
    if len(places) < 2:
        return places
    try:
        specifiers = [SpecifierSet(text) for text in parse_constraint(constraint)]
    except (ValueError, InvalidSpecifier):
        return places
    admitted = [
        place
        for place in places
        if any(specifier.contains(entries[place]["version"], prereleases=True) for specifier in specifiers)
    ]
    return admitted or places


def _both(above: Conjunctions, marker: str) -> Conjunctions:
    return frozenset(conjunction | {marker} for conjunction in above) if marker else above


def _either(one: Conjunctions, other: Conjunctions) -> Conjunctions:
    """The union, without conjunctions that a shorter one makes needless; too many of them count as `always`."""
    union = one | other
    kept = frozenset(c for c in union if not any(shorter < c for shorter in union))
    return kept if len(kept) <= _MOST_CONJUNCTIONS else ALWAYS


def _render(conjunctions: Conjunctions) -> str:
    if frozenset() in conjunctions:
        return ""
    said = (" and ".join(f"({marker})" for marker in sorted(conjunction)) for conjunction in conjunctions)
    return " or ".join(sorted(f"({text})" for text in said))


def _name(text: str) -> re.Match[str] | None:
    return re.match(r"[A-Za-z0-9][\w.-]*", text)
