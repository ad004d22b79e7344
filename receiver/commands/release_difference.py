"""releases:diff.

v7 -> v9: 2 commits, 3 files, 1 package, 1 config var
commits     a41c9e2 Add search
files       + blog/search.py
            ~ blog/views.py
packages    django 5.2.8 -> 5.2.9
config      ~ SENTRY_DSN
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from deploy.release import Release, read_release, require_live_release
from hooks.release_difference import MOST_COMMITS, Change, Changes, Difference, Side, compare, read_side
from receiver.repository import open_repository
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.errors import WRONG_USAGE, ToppcloudError
from toppcloud.names import parse_release_number

_MOST_LINES = 20
_HIDDEN = "--show tells the values"
_MARKS = {"added": "+", "removed": "-", "changed": "~"}


def diff(session: Session, *, app: str, versions: tuple[str, ...], show: bool, as_json: bool) -> None:
    """What the second release has other than the first; the live one against the one before unless told."""
    layout = session.app(app)
    old, new = (read_side(layout, release) for release in choose_pair(layout, versions))
    with open_repository(layout.repository) as repo:
        difference = compare(old, new, repo.object_store)
    if as_json:
        session.print_json(render_json(old, new, difference, show=show))
        return
    for line in render(old, new, difference, show=show):
        session.write(line)


def choose_pair(app: AppLayout, versions: tuple[str, ...]) -> tuple[Release, Release]:
    """Two versions: these, in that order. One: it and the live one. None: the one before the live one, and that.

    Raises ToppcloudError for one that is not there.
    """
    if len(versions) > 2:
        raise ToppcloudError(
            "Two releases at most are compared.", "", "Example: toppcloud releases:diff v7 v9", status=WRONG_USAGE
        )
    if len(versions) == 2:
        return _require(app, versions[0]), _require(app, versions[1])
    live = require_live_release(app)
    if versions and parse_release_number(versions[0]) != live.version:
        return _require(app, versions[0]), live
    for number in app.release_numbers():
        if number < live.version and app.release(number).went_live.exists():
            before = read_release(app.release(number))
            if before is not None:
                return before, live
    raise ToppcloudError(
        f"v{live.version} is the only release that {app.name} has.", "There is none to compare it with."
    )


def _require(app: AppLayout, version: str) -> Release:
    number = parse_release_number(version)
    release = read_release(app.release(number))
    if release is None:
        kept = ", ".join(f"v{number}" for number in app.release_numbers())
        raise ToppcloudError(
            f"There is no release v{number} of {app.name}.", f"Kept are: {kept or 'none'}.", "See: toppcloud releases"
        )
    return release


def render(old: Side, new: Side, difference: Difference, *, show: bool) -> list[str]:
    """Lines for people."""
    names = f"v{old.release.version} -> v{new.release.version}"
    notes = [f"{note}." for note in _list_unknown(old, new, difference)]
    if difference.is_empty:
        said = "nothing that is known differs" if notes else "the same code, packages, config, processes and services"
        return [f"{names}: {said}", *notes]
    return [f"{names}: {count_all(difference)}", *render_sections(difference, show=show), *notes]


def render_json(old: Side, new: Side, difference: Difference, *, show: bool) -> dict[str, Any]:
    """The same as one value. null stands for what is not known any more."""
    commits = difference.commits
    return {
        "old": old.release.version,
        "new": new.release.version,
        "commits": commits and [{"commit": commit, "subject": subject} for commit, subject in commits.new],
        "commits_left": commits and [{"commit": commit, "subject": subject} for commit, subject in commits.left],
        "files": _name_changes(difference.files),
        "packages": difference.packages,
        "rebuilt_packages": difference.rebuilt,
        "facts": difference.facts,
        "config": difference.config if show else _name_changes(difference.config),
        "service_variables": difference.service_variables if show else _name_changes(difference.service_variables),
        "processes": difference.processes,
        "services": difference.services,
        "same": difference.is_empty and not list(_list_unknown(old, new, difference)),
    }


def _name_changes(changes: Changes | None) -> dict[str, str] | None:
    return None if changes is None else {name: _kind(change) for name, change in changes.items()}


def _kind(change: Change) -> str:
    return "added" if change[0] is None else "removed" if change[1] is None else "changed"


def count_all(difference: Difference) -> str:
    """`2 commits, 3 files, 1 package`"""
    commits = len(difference.commits.new) + len(difference.commits.left) if difference.commits else 0
    packages = len(difference.packages or ()) + len(difference.rebuilt)
    counts = (
        ("commit", commits),
        ("file", len(difference.files or ())),
        ("package", packages),
        ("config var", len(difference.config or ())),
        ("service variable", len(difference.service_variables or ())),
        ("process", len(difference.processes)),
        ("service", len(difference.services or ())),
    )
    said = [f"{count} {_plural(noun, count)}" for noun, count in counts if count]
    said += [] if not difference.has_other_modes else ["modes of files or links"]
    return ", ".join([*said, *(difference.facts or ())])


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"


def render_sections(difference: Difference, *, show: bool) -> Iterator[str]:
    if difference.commits:
        yield from _section("commits", [f"{commit[:7]} {subject}" for commit, subject in difference.commits.new])
        yield from _section("commits left", [f"{commit[:7]} {subject}" for commit, subject in difference.commits.left])
    yield from _section("files", _render_changes(difference.files, _hide))
    rebuilt = [f"{name}: same version, other files" for name in difference.rebuilt]
    yield from _section("packages", [*_render_changes(difference.packages, _tell_package), *rebuilt])
    yield from _section("build", _render_changes(difference.facts, _tell_value))
    tell = _tell_value if show else _hide
    yield from _section("config", _render_changes(difference.config, tell))
    yield from _section("service vars", _render_changes(difference.service_variables, tell))
    yield from _section("processes", _render_changes(difference.processes, _tell_value))
    yield from _section("services", _render_changes(difference.services, _tell_value))
    if not show and (difference.config or difference.service_variables):
        yield _HIDDEN


def _section(title: str, lines: list[str]) -> Iterator[str]:
    shown = lines
    if len(lines) > _MOST_LINES:
        shown = [*lines[: _MOST_LINES - 1], f"and {len(lines) - _MOST_LINES + 1} more (--json)"]
    for number, line in enumerate(shown):
        yield f"{'' if number else title:<16}{line}"


def _render_changes(changes: Changes | None, tell: Callable[[str, Change], str]) -> list[str]:
    return [f"{_MARKS[_kind(change)]} {tell(name, change)}" for name, change in (changes or {}).items()]


def _hide(name: str, _change: Change) -> str:
    return name


def _tell_package(name: str, change: Change) -> str:
    return f"{name} {_arrow(change)}"


def _tell_value(name: str, change: Change) -> str:
    return f"{name}: {_arrow(change)}" if any(change) else name


def _arrow(change: Change) -> str:
    return " -> ".join(value for value in change if value is not None)


def _list_unknown(old: Side, new: Side, difference: Difference) -> Iterator[str]:
    for side in (old, new):
        version = f"v{side.release.version}"
        if side.slug is None:
            yield f"The slug of {version} is gone: its files, packages and services are not known any more"
        if side.environment is None:
            yield f"{version} never went live: its config is not kept"
    if difference.commits is None:
        yield "Not all commits between them are on the node"
    elif not difference.commits.is_whole:
        yield "The history on the node ends between them: there may be other commits"
    elif len(difference.commits.new) >= MOST_COMMITS:
        yield f"Only the newest {MOST_COMMITS} commits are shown"
