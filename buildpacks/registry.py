"""Which buildpacks a project is built with: those that were asked for by name, else the first that finds its files."""

from __future__ import annotations

from pathlib import Path

from buildpacks import bare_program, nodejs, python, ruby, static
from buildpacks.buildpack import Buildpack
from buildpacks.processes import Declarations
from toppcloud.errors import ToppcloudError, suggest_nearest

BUILT_IN: dict[str, Buildpack] = {module.NAME: module for module in (python, ruby, nodejs, static, bare_program)}
"""By name, in the order in which they are asked whether a project is theirs."""


def choose_buildpacks(source: Path, declarations: Declarations, asked: tuple[str, ...]) -> list[Buildpack]:
    """Never empty: a project that nothing is found in is Python's to refuse. Raises ToppcloudError for a wrong name."""
    if asked:
        return [find_buildpack(name) for name in asked]
    found = next((buildpack for buildpack in BUILT_IN.values() if buildpack.find(source, declarations)), None)
    return [found or python]


def find_buildpack(name: str) -> Buildpack:
    """`python`, or `heroku/python` as Heroku calls it."""
    found = BUILT_IN.get(name.removeprefix("heroku/"))
    if found is None:
        raise ToppcloudError(
            f"There is no buildpack '{name}'.{suggest_nearest(name, BUILT_IN)}",
            f"Built in: {', '.join(BUILT_IN)}.",
            "See: toppcloud buildpacks",
            reason="unknown buildpack",
        )
    return found
