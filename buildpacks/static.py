"""Sites that are nothing but files: no Python, no process. The router serves them itself, from the release.

A project is one when `[web] static` names its folder, or an index.html lies at its top, and nothing else says how to
build or run anything.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from buildpacks.buildpack import Contribution, Workshop
from buildpacks.detection import has_dependencies, list_others
from buildpacks.package_json import FILE, choose_start, find_unbuilt, read_package_json
from buildpacks.processes import Declarations, Processes
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Web

NAME = "static"
VERSION = "static 1"
WHOLE = "."
"""`[web] static` of a project that is served as it is."""


@dataclass(frozen=True)
class StaticSite:
    """The options of `[web]` with its folder, and a line for the pusher."""

    web: Web
    why: str


def find_static_site(source: Path, declarations: Declarations) -> StaticSite | None:
    """The site that the project is; None when there is something to install or to run."""
    toml = declarations.toml
    if has_dependencies(source) or declarations.procfile or toml.web:
        return None
    if toml.options.static:
        return StaticSite(toml.options, f"toppcloud.toml: static files of {render_folder(toml.options.static)}")
    others = set(list_others(source)) - {FILE if is_tooling(source) else ""}
    if (source / "index.html").is_file() and not others:
        return StaticSite(replace(toml.options, static=WHOLE), "index.html is at the top: a static site, no process")
    return None


def is_tooling(source: Path) -> bool:
    """Whether package.json neither starts nor builds anything: its packages are for the author's own desk."""
    package = read_package_json(source)
    return package is not None and not choose_start(package) and not package.build_script


def find(source: Path, declarations: Declarations) -> str | None:
    """Why the project is a site of files alone."""
    site = find_static_site(source, declarations)
    return site.why if site else None


def build(workshop: Workshop, _console: Console) -> Contribution:
    """Nothing is to be made: the files are there, or a buildpack before this one made them."""
    options = workshop.declarations.toml.options
    site = find_static_site(workshop.source, workshop.declarations)
    web = site.web if site else options if options.static else replace(options, static=WHOLE)
    why = site.why if site else f"static files of {render_folder(web.static or WHOLE)}"
    warnings = find_unbuilt(workshop.source, workshop.paths)
    return Contribution(VERSION, Processes({}, None, why), web=web, warnings=warnings)


def refuse_published_source(web: Web, process_types: Collection[str]) -> None:
    """Raises ToppcloudError when all of a program's own files would be there for everybody to read."""
    if web.static == WHOLE and process_types:
        raise ToppcloudError(
            "toppcloud.toml would publish the source.",
            f'[web] static = "{WHOLE}" serves every file of the project, and it has a {" and a ".join(process_types)}.',
            'Move what visitors may read into a folder, and name that: static = "public"',
            reason="source would be published",
        )


def render_folder(static: str) -> str:
    """`public/`, or `the whole project`."""
    return "the whole project" if static == WHOLE else f"{static}/"
