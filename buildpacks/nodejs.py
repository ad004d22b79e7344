"""The Node.js buildpack: npm installs, builds and prunes; or makes a site of files. One call a step in `build`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from buildpacks.buildpack import Contribution, Workshop
from buildpacks.built_site import find_built_site
from buildpacks.detection import list_others
from buildpacks.node_packages import install, prune, tell_nothing_installed
from buildpacks.node_project import FOLDER, needs_npm, read_project
from buildpacks.npm import Npm, make_npm, suits_range
from buildpacks.package_json import FILE, PackageJson, choose_start, is_development_server, read_package_json
from buildpacks.processes import Declarations, Processes, choose_processes
from buildpacks.runtime import Language, Runtime, choose_runtime
from buildpacks.source_text import is_plain_file
from buildpacks.web_default import WebDefault
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.slug import Web

NAME = "nodejs"
VERSION = "nodejs 1"
NODE = Language("Node.js", "node", ("-p", "process.versions.node"), "nodejs npm")
_PATHS = (f"{FOLDER}/.bin",)


@dataclass(frozen=True)
class Outcome:
    """How the project is to be run: processes, or a site of files that its build makes."""

    processes: Processes | None
    note: str = ""


def find(source: Path, declarations: Declarations) -> str | None:
    """Whether package.json says what to install, to build or to start."""
    package = read_package_json(source)
    if package is None:
        return None
    start = choose_start(package)
    others = set(list_others(source)) - {FILE, "Gemfile"}
    if others and not start:
        return None
    static = declarations.toml.options.static
    runs = declarations.procfile or declarations.toml.web
    if not runs and static and (source / static).is_dir():
        return None
    has_server = is_plain_file(source / "server.js") and not runs
    return FILE if start or package.build_script or has_server or (runs and package.has_packages) else None


def build(workshop: Workshop, console: Console) -> Contribution:
    """Make everything that a Node.js app needs. Raises ToppcloudError or Cancelled."""
    project = read_project(workshop.source)
    package = project.package
    outcome = choose_outcome(workshop, package)
    runtime = choose_node(workshop.node, package)
    if needs_npm(project):
        npm = make_npm(workshop, runtime, console)
        workshop.node.account.own_tree(workshop.source)
        if "heroku-prebuild" in package.scripts:
            run_script(npm, "heroku-prebuild")
        warnings = install(npm, project, console)
        if package.build_script:
            run_script(npm, package.build_script)
        prune(npm, project, is_site=outcome.processes is None)
        if "heroku-cleanup" in package.scripts:
            run_script(npm, "heroku-cleanup")
    else:
        warnings = tell_nothing_installed(project, runtime, console)
    if outcome.processes is None:
        return contribute_site(workshop, package, outcome, tuple(warnings))
    return Contribution(
        VERSION,
        outcome.processes,
        paths=(*_PATHS, *runtime.paths),
        environment=choose_environment(package, outcome.processes),
        warnings=tuple(warnings),
    )


def choose_node(node: Node, package: PackageJson) -> Runtime:
    """The Node.js that suits `engines`. Raises ToppcloudError when the node has none."""
    wanted = package.engines.get("node", "")
    wish = f"package.json wants Node.js {wanted}"
    return choose_runtime(node, NODE, node.settings.node, lambda runtime: suits_range(node, runtime, wanted), wish)


def run_script(npm: Npm, name: str) -> None:
    """A script of package.json, with the step that says how long it took."""
    with npm.console.timed_step(f"npm run {name}"):
        npm.run_script(name)


def choose_outcome(workshop: Workshop, package: PackageJson) -> Outcome:
    """Processes where something says so: the Procfile, [web], the start script, server.js. Else a site, if it is built.

    Raises ToppcloudError when nothing says how to run it.
    """
    source, declarations = workshop.source, workshop.declarations
    start = choose_start(package)
    says_nothing = not (declarations.procfile or declarations.toml.web)
    if says_nothing and package.build_script and workshop.is_last:
        if start and is_development_server(start):
            return Outcome(None, f"start ({start}) is for development: ")
        if not start and not is_plain_file(source / "server.js"):
            return Outcome(None)
    default = None
    if start:
        default = WebDefault(start, f"{FILE} has a start script")
    elif is_plain_file(source / "server.js"):
        default = WebDefault("node server.js", "server.js is there")
    elif workshop.is_last and says_nothing:
        raise refuse_startless(package)
    return Outcome(choose_processes(source, declarations, default, is_required=workshop.must_run))


def refuse_startless(package: PackageJson) -> ToppcloudError:
    """With the line to type that makes it start."""
    main = package.main or "index.js"
    return ToppcloudError(
        "Nothing says how to start the web process.",
        f"Looked for Procfile, [web] in toppcloud.toml, a start script in {FILE}, and server.js. A site that npm builds"
        " has a build script.",
        f"npm pkg set scripts.start={shlex.quote(f'node {main}')}, commit, push again.",
        reason="missing start script",
    )


def contribute_site(
    workshop: Workshop, package: PackageJson, outcome: Outcome, warnings: tuple[str, ...]
) -> Contribution:
    """The folder that the build made. Raises ToppcloudError when it made none."""
    options = workshop.declarations.toml.options
    folder = find_built_site(workshop.source, options.static, package)
    why = f"{outcome.note}static files of {folder}/, made by npm run {package.build_script}; no process"
    web: Web = replace(options, static=folder)
    return Contribution(VERSION, Processes({}, None, why), warnings=warnings, web=web)


def choose_environment(package: PackageJson, processes: Processes) -> Mapping[str, str]:
    """NODE_ENV as on Heroku; what `npm start` would have told; and npm keeps no logs in the release's folder."""
    told = {"npm_package_name": package.name, "npm_package_version": package.version}
    commands = (*processes.commands.values(), processes.release_command or "")
    quiet = {"npm_config_logs_max": "0", "npm_config_update_notifier": "false"}
    return {
        "NODE_ENV": "production",
        **{key: value for key, value in told.items() if value},
        **(quiet if any("np" in command for command in commands) else {}),
    }
