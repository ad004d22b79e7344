"""Which buildpacks a project is built with: those that were asked for by name, else the first that finds its files.

What asks, the first that says anything: `toppcloud buildpacks:set`; the file .buildpacks; `buildpacks` of app.json.

    # .buildpacks
    https://github.com/heroku/heroku-buildpack-apt
    heroku/python
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildpacks import bare_program, nodejs, python, ruby, static
from buildpacks.buildpack import Buildpack
from buildpacks.buildpack_address import is_address, parse_buildpack_address
from buildpacks.classic import ClassicBuildpack
from buildpacks.processes import Declarations
from buildpacks.source_text import read_source_text
from toppcloud.errors import ToppcloudError, suggest_nearest

BUILT_IN: dict[str, Buildpack] = {module.NAME: module for module in (python, ruby, nodejs, static, bare_program)}
"""By name, in the order in which they are asked whether a project is theirs."""
FILE = ".buildpacks"
MOST_BUILDPACKS = 20
_OF_HEROKU = re.compile(
    r"(?:heroku/|urn:buildpack:heroku/|https://github\.com/heroku/heroku-buildpack-"
    r"|https://[\w.-]+\.s3\.amazonaws\.com/buildpacks/heroku/)([a-z]+)(?:\.git|\.tgz)?/?(?:#.*)?\Z"
)
_TAKEN_OVER = frozenset({"python", "nodejs", "ruby"})


@dataclass(frozen=True)
class Asked:
    """Names and addresses in order, and where they stand: `buildpacks:set`, `.buildpacks`, `app.json`."""

    names: tuple[str, ...]
    where: str


def choose_buildpacks(source: Path, declarations: Declarations, setting: tuple[str, ...]) -> list[Buildpack]:
    """Never empty: a project that nothing is found in is Python's to refuse. Raises ToppcloudError for a wrong name."""
    asked = find_asked(source, declarations, setting)
    if asked.names:
        refuse_twice(asked.names, asked.where)
        return [find_buildpack(name) for name in asked.names]
    found = next((buildpack for buildpack in BUILT_IN.values() if buildpack.find(source, declarations)), None)
    return [found or python]


def find_asked(source: Path, declarations: Declarations, setting: tuple[str, ...]) -> Asked:
    """No names: nothing asks, and the project's files tell."""
    if setting:
        return Asked(setting, "toppcloud buildpacks")
    if listed := parse_buildpacks_file(read_source_text(source, FILE) or ""):
        return Asked(listed, FILE)
    return Asked(declarations.app_json.buildpacks, "app.json")


def parse_buildpacks_file(text: str) -> tuple[str, ...]:
    """One name or address a line; lines that begin with # are comments."""
    lines = [line.strip() for line in text.splitlines()]
    return tuple(line for line in lines if line and not line.startswith("#"))


def normalize_name(text: str) -> str:
    """`python` for `heroku/python` and the address of Heroku's own; else the text. Two that are equal are the same.

    Raises ToppcloudError when it is neither a built-in buildpack nor an address.
    """
    text = text.strip()
    match = _OF_HEROKU.match(text)
    if match and (match[1] in _TAKEN_OVER or text == f"heroku/{match[1]}"):
        if match[1] in BUILT_IN:
            return match[1]
        if near := suggest_nearest(match[1], BUILT_IN):
            raise _unknown(text, near)
    if text in BUILT_IN:
        return text
    if not is_address(text):
        raise _unknown(text, suggest_nearest(text, BUILT_IN))
    return parse_buildpack_address(text).text


def find_buildpack(name: str) -> Buildpack:
    """`python`, `heroku/python` as Heroku calls it, or an address. Raises ToppcloudError."""
    normal = normalize_name(name)
    return BUILT_IN.get(normal) or ClassicBuildpack(parse_buildpack_address(normal))


def refuse_twice(names: Sequence[str], where: str) -> None:
    """Raises ToppcloudError when one is there twice, or there are too many."""
    normal = [normalize_name(name) for name in names]
    twice = next((name for at, name in enumerate(normal) if name in normal[:at]), None)
    if twice is not None:
        shown = twice if twice in BUILT_IN else parse_buildpack_address(twice).shown
        raise ToppcloudError(
            f"The buildpack {shown} is there twice.",
            f"{where} names: {', '.join(show_name(name) for name in names)}. The second would undo the first.",
            _CURES.get(where, f"Take one out of {where}, commit, push again."),
            reason="duplicate buildpacks",
        )
    if len(normal) > MOST_BUILDPACKS:
        raise ToppcloudError(f"{where} names {len(normal)} buildpacks.", f"At most {MOST_BUILDPACKS} are run.")


def show_name(text: str) -> str:
    """For people: an address without its credentials."""
    return text if text in BUILT_IN or not is_address(text) else parse_buildpack_address(text).shown


_CURES = {"toppcloud buildpacks": "Take one out: toppcloud buildpacks:remove --index 2"}


def _unknown(name: str, near: str) -> ToppcloudError:
    return ToppcloudError(
        f"There is no buildpack '{name[:100]}'.{near}",
        f"Built in: {', '.join(BUILT_IN)}. Others are named by a git URL, or a folder on the node.",
        "Example: toppcloud buildpacks:set https://github.com/heroku/heroku-buildpack-apt",
        reason="unknown buildpack",
    )
