"""Whether a lock was made from the manifest beside it, told without network and before anything is installed.

Pipenv and Poetry leave a hash of the manifest in the lock; uv leaves what the manifest asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from buildpacks.detection import Detected
from buildpacks.distributions import normalise
from buildpacks.pipfile_lock import hash_pipfile, parse_pipfile_lock
from buildpacks.poetry_graph import list_roots
from buildpacks.poetry_lock import hash_pyproject, parse_poetry_lock
from buildpacks.pyproject_toml import parse_toml
from buildpacks.source_text import read_source_text
from toppcloud.errors import ToppcloudError

_UV_SOURCES = ("git", "url", "path", "directory", "editable", "virtual", "workspace")
_LOCKING = {"pipenv": "pipenv lock", "poetry": "poetry lock", "uv": "uv lock"}
"""What makes the lock anew."""
_WRONG = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
_SOME_PYTHONS = tuple(f"3.{minor}.{patch}" for minor in range(6, 25) for patch in (0, 1, 5, 12, 30))
Wanted = tuple[str, frozenset[str], str]
"""(name, extras, specifier or "from elsewhere")"""


def refuse_out_of_step(source: Path, detected: Detected) -> None:
    """Raises ToppcloudError when the lock is older than the manifest, with the line that makes it anew."""
    try:
        _refuse_out_of_step(source, detected)
    except _WRONG as error:
        raise ToppcloudError(
            f"{detected.file} and what it was made from cannot be compared.",
            f"Something in one of them has a type that {detected.manager} does not write.",
            f"Correct it, then type: {_LOCKING[detected.manager]} && git add {detected.file}",
            reason=f"invalid {detected.file}",
        ) from error


def _refuse_out_of_step(source: Path, detected: Detected) -> None:
    lock = read_source_text(source, detected.file) or ""
    pyproject = read_source_text(source, "pyproject.toml") or ""
    pipfile = read_source_text(source, "Pipfile") or ""
    if detected.manager == "pipenv" and pipfile:
        said = parse_pipfile_lock(lock).pipfile_hash
        if said and said not in hash_pipfile(pipfile):
            raise _refusal(detected, "Pipfile", find_new_in_pipfile(pipfile, lock))
    elif detected.manager == "poetry":
        if parse_poetry_lock(lock, pyproject).content_hash != hash_pyproject(pyproject, lock):
            raise _refusal(detected, "pyproject.toml", find_new_in_poetry(pyproject, lock))
    elif detected.manager == "uv":
        differences = compare_uv(parse_toml(pyproject, "pyproject.toml"), parse_toml(lock, "uv.lock"))
        if differences:
            raise _refusal(detected, "pyproject.toml", differences)


def _refusal(detected: Detected, manifest: str, differences: list[str]) -> ToppcloudError:
    lock, cure = detected.file, _LOCKING[detected.manager]
    why = f"{manifest} was changed after {lock} was made from it"
    shown = ", ".join(differences[:4]) + (", …" if len(differences) > 4 else "")
    return ToppcloudError(
        f"{lock} is out of step with {manifest}.",
        f"{why}: {shown}." if differences else f"{why}.",
        f"Type: {cure} && git add {lock}   then commit, push again.",
        reason=f"{lock} out of step",
    )


def find_new_in_pipfile(pipfile: str, lock: str) -> list[str]:
    """What it asks for that the lock has nothing of."""
    names = parse_toml(pipfile, "Pipfile").get("packages", {})
    return [f"it asks for {name}" for name in names if f'"{normalise(name)}"' not in lock.lower()]


def find_new_in_poetry(pyproject: str, lock: str) -> list[str]:
    """What it asks for that the lock has nothing of."""
    locked = {normalise(entry["name"]) for entry in parse_toml(lock, "poetry.lock").get("package", [])}
    roots = list_roots(parse_toml(pyproject, "pyproject.toml"))
    return [f"it asks for {root.name}" for root in roots if normalise(root.name) not in locked]


def compare_uv(pyproject: Mapping[str, Any], lock: Mapping[str, Any]) -> list[str]:
    """How they differ, as `it asks for flask>=3`. What cannot be compared without building something is left to uv."""
    project, packages = pyproject.get("project"), lock.get("package", [])
    if not isinstance(project, dict) or not isinstance(packages, list) or "name" not in project:
        return []
    own = normalise(str(project["name"]))
    try:
        root = next((package for package in packages if normalise(str(package.get("name", ""))) == own), None)
        if root is None:
            return [f"the project is called {project['name']}"]
        differences = _compare_dependencies(pyproject, root)
        asked, locked = project.get("requires-python"), lock.get("requires-python")
        if asked and locked and not _is_same_python(asked, locked) and not _is_workspace(pyproject):
            differences.append(f"requires-python is {asked}")
    except _WRONG:
        return []
    return differences


def _is_workspace(pyproject: Mapping[str, Any]) -> bool:
    """Several projects share one lock then, and their Pythons are put together in it."""
    return "workspace" in pyproject.get("tool", {}).get("uv", {})


def _compare_dependencies(pyproject: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    project, tool = pyproject["project"], pyproject.get("tool", {}).get("uv", {})
    dynamic = project.get("dynamic", [])
    if "dependencies" in dynamic or "optional-dependencies" in dynamic:
        return []
    metadata = root.get("metadata")
    if metadata is None and root.get("dependencies"):
        return []  # a lock of the first uv versions, which leave nothing to compare with
    metadata = metadata or {}
    elsewhere = {
        normalise(name) for name, where in tool.get("sources", {}).items() if isinstance(where, list) or _is_from(where)
    }
    texts = [*project.get("dependencies", [])]
    texts += [text for extra in project.get("optional-dependencies", {}).values() for text in extra]
    differences = _compare(texts, metadata.get("requires-dist", []), elsewhere)
    groups = _expand_groups(pyproject.get("dependency-groups", {}))
    if "dev-dependencies" in tool:
        groups["dev"] = [*groups.get("dev", []), *tool["dev-dependencies"]]
    locked = {normalise(name): entries for name, entries in metadata.get("requires-dev", {}).items()}
    for name in sorted({*groups, *locked}):
        differences += _compare(groups.get(name, []), locked.get(name, []), elsewhere)
    return differences


def _compare(texts: Iterable[str], entries: Iterable[Mapping[str, Any]], elsewhere: set[str]) -> list[str]:
    asked = {_read_asked(text, elsewhere): text for text in texts}
    locked = {_read_locked(entry): entry for entry in entries}
    new = [f"it asks for {text}" for wanted, text in asked.items() if wanted not in locked]
    gone = {wanted[0] for wanted in locked if wanted not in asked} - {wanted[0] for wanted in asked}
    return new + [f"it no longer asks for {name}" for name in sorted(gone)]


def _read_asked(text: str, elsewhere: set[str]) -> Wanted:
    requirement = Requirement(text)
    name = normalise(requirement.name)
    is_elsewhere = bool(requirement.url) or name in elsewhere
    return name, frozenset(map(normalise, requirement.extras)), _render(str(requirement.specifier), is_elsewhere)


def _read_locked(entry: Mapping[str, Any]) -> Wanted:
    extras = frozenset(normalise(extra) for extra in entry.get("extras", ()))
    return normalise(entry["name"]), extras, _render(entry.get("specifier", ""), _is_from(entry))


def _is_from(where: Mapping[str, Any]) -> bool:
    return any(kind in where for kind in _UV_SOURCES)


def _render(specifier: str, is_elsewhere: bool) -> str:
    if is_elsewhere:
        return "from elsewhere"
    return ",".join(sorted(str(part).removesuffix(".0") for part in SpecifierSet(specifier)))


def _expand_groups(groups: Mapping[str, list[Any]]) -> dict[str, list[str]]:
    """Dependency groups with those that they include. Source: PEP 735"""
    named = {normalise(name): group for name, group in groups.items()}

    def expand(name: str, above: tuple[str, ...]) -> Iterator[str]:
        for item in named[name]:
            if isinstance(item, str):
                yield item
            elif (inner := normalise(item["include-group"])) not in above:
                yield from expand(inner, (*above, inner))

    return {name: list(expand(name, (name,))) for name in named}


def _is_same_python(asked: str, locked: str) -> bool:
    one, other = SpecifierSet(asked), SpecifierSet(locked)
    return all(one.contains(version) == other.contains(version) for version in _SOME_PYTHONS)
