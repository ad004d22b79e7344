"""The Python that a project asks for, from all the places where it may say so; and whether that one may be used.

Order: PYTHON_VERSION, runtime.txt, .python-version, the lock or requires-python, the last build, node.toml.
"""

from __future__ import annotations

import dataclasses
from datetime import date

from buildpacks.python_releases import RELEASES, SOURCE, Standing, judge, list_supported
from buildpacks.python_version import (
    CONFIG_VAR,
    EXAMPLE,
    LAST_BUILD,
    PYTHON_VERSION_FILE,
    RUNTIME_TXT,
    Lock,
    PythonRequest,
    choose_fallback,
    parse_version,
    refuse_contradiction,
    render_change,
)
from buildpacks.python_version_files import (
    PythonVersionFiles,
    list_warnings,
    parse_version_file,
    refuse_misspelt,
)
from toppcloud.errors import ToppcloudError

OLDEST_USABLE = (3, 8)


@dataclasses.dataclass(frozen=True)
class PythonRules:
    """What the node says about Pythons: `python` and `allow_old_python` of node.toml; and the day."""

    today: date
    default: str = ""
    allows_old: bool = False


def choose_python_request(
    *,
    config_var: str | None,
    files: PythonVersionFiles,
    lock: Lock,
    last_version: str | None,
    rules: PythonRules,
) -> PythonRequest:
    """The first of these that says anything. Raises ToppcloudError for one that says it wrongly or cannot be had."""
    request = _choose(config_var, files, lock, last_version, rules.default)
    refuse_ended(request, rules)
    refuse_contradiction(request, lock)
    return request


def _choose(
    config_var: str | None, files: PythonVersionFiles, lock: Lock, last_version: str | None, default: str
) -> PythonRequest:
    if config_var and config_var.strip():
        return PythonRequest(parse_version(config_var, CONFIG_VAR), CONFIG_VAR)
    if files.runtime_txt is not None:
        version = parse_version_file(files.runtime_txt, RUNTIME_TXT)
        return PythonRequest(version, RUNTIME_TXT, list_warnings(files))
    refuse_misspelt(files)
    if files.python_version is not None:
        version = parse_version_file(files.python_version, PYTHON_VERSION_FILE)
        return PythonRequest(version, PYTHON_VERSION_FILE, list_warnings(files))
    return dataclasses.replace(choose_fallback(lock, last_version, default), warnings=list_warnings(files))


def refuse_ended(request: PythonRequest, rules: PythonRules) -> None:
    """Refuse what is past its end of life for more than three months, unless node.toml allows it."""
    admitted = _list_admitted(request)
    if not admitted or any(judge(minor, rules.today) is not Standing.ENDED for minor in admitted):
        return
    minor = max(admitted, key=_as_numbers)
    is_usable = _as_numbers(minor) >= OLDEST_USABLE
    if rules.allows_old and is_usable:
        return
    supported = list_supported(rules.today)
    ended = RELEASES.get(minor)
    lines = [
        f"No fixes are made for it{f' since {ended.end_of_life:%B %Y}' if ended else ''}: {SOURCE}",
        f"Supported: {', '.join(supported)}.",
    ]
    if is_usable:
        lines.append("(The node's operator may allow it: allow_old_python = true in node.toml.)")
    what = f"Python {minor} ({request.origin}) has reached its end of life."
    if request.origin == LAST_BUILD:
        what = f"No version of Python is asked for, and that of the last build, {minor}, has reached its end of life."
    cure = render_change(request.origin, EXAMPLE)
    raise ToppcloudError(what, "\n".join(lines), cure, reason="Python past end of life")


def warn_of_age(version: str, request: PythonRequest, known: tuple[str, ...], rules: PythonRules) -> tuple[str, ...]:
    """Of an end of life that is near, or past where it is allowed; of a pinned patch release that is not the newest.

    `known` are versions that could be had: those of the node, and those that uv can fetch.
    """
    minor = ".".join(version.split(".")[:2])
    found = []
    standing = judge(minor, rules.today)
    if standing in (Standing.ENDING, Standing.ENDED):
        found.append(_render_end(minor, request, rules.today))
    newest = max((v for v in known if v.startswith(f"{minor}.")), key=_as_numbers, default=version)
    if request.is_exact and _as_numbers(newest) > _as_numbers(version):
        found.append(
            f"Python {version} is outdated: {newest} has more fixes, security's among them.\n"
            f"Ask for the newest {minor} at each build: {render_change(request.origin, minor)}"
        )
    return tuple(found)


def _render_end(minor: str, request: PythonRequest, today: date) -> str:
    end = RELEASES[minor].end_of_life if minor in RELEASES else today
    said = "will reach its end of life" if end >= today else "reached its end of life"
    return (
        f"Python {minor} {said} in {end:%B %Y}; from then on nobody mends its security holes.\n"
        f"Move on: {render_change(request.origin, EXAMPLE)}"
    )


def _list_admitted(request: PythonRequest) -> list[str]:
    """The minor versions that would do; the one that is named even when nobody knows it."""
    if request.minor:
        return [request.minor]
    if request.text.isdigit() and request.text != "3":
        return [f"{request.text}.0"] if int(request.text) > 3 else ["2.7"]
    return [minor for minor in RELEASES if request.admits_minor(minor)]


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
