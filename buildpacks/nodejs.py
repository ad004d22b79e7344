"""The Node.js buildpack: npm installs, builds and prunes; or makes a site of files. One call a step in `build`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from buildpacks.buildpack import Contribution, Workshop
from buildpacks.detection import list_others
from buildpacks.kept_packages import KeptPackages, describe_changed, digest, remove
from buildpacks.npm import Npm, NpmFailed, explain, make_npm, suits_range
from buildpacks.package_json import (
    FILE,
    PackageJson,
    choose_start,
    is_development_server,
    read_package_json,
)
from buildpacks.processes import Declarations, Processes, choose_processes
from buildpacks.runtime import Language, Runtime, choose_runtime
from buildpacks.source_text import is_plain_file
from buildpacks.web_default import WebDefault
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_plain_file
from toppcloud.node import Node
from toppcloud.slug import Web

NAME = "nodejs"
FOLDER = "node_modules"
VERSION = "nodejs 1"
NODE = Language("Node.js", "node", ("-p", "process.versions.node"), "nodejs npm")
LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
_OTHER_LOCKS = {"yarn.lock": "Yarn", "pnpm-lock.yaml": "pnpm", "bun.lock": "Bun", "bun.lockb": "Bun"}
_SITES = ("dist", "build", "out", "public", "_site")
_LARGEST_LOCK = 64 * 1024 * 1024
_LARGEST_NPMRC = 1024 * 1024
_PATHS = (f"{FOLDER}/.bin",)


@dataclass(frozen=True)
class Project:
    """What the files of a Node.js project say."""

    package: PackageJson
    lock: str | None
    """`package-lock.json`"""
    lock_text: str
    is_committed: bool
    """Its node_modules were pushed along, with all that it needs."""


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


def read_project(source: Path) -> Project:
    """Raises ToppcloudError without package.json, or with the lock of another program."""
    package = read_package_json(source)
    if package is None:
        raise ToppcloudError(
            f"There is no {FILE} at the top of the repository.",
            "The buildpack nodejs builds what it says.",
            "Add one: npm init -y   or leave this buildpack out: toppcloud buildpacks:remove nodejs",
            reason=f"missing {FILE}",
        )
    locks = [name for name in LOCKS if is_plain_file(source / name)]
    others = [name for name in _OTHER_LOCKS if is_plain_file(source / name)]
    if others:
        refuse_other_lock(others[0], locks)
    text = ""
    if locks and (source / locks[0]).stat().st_size <= _LARGEST_LOCK:
        text = (source / locks[0]).read_text(errors="replace")
    needed = (*package.dependencies, *(package.dev_dependencies if package.build_script else ()))
    modules = source / FOLDER
    is_committed = (
        package.has_packages and modules.is_dir() and all(is_plain_file(modules / name / FILE) for name in needed)
    )
    return Project(package, locks[0] if locks else None, text, is_committed)


def refuse_other_lock(other: str, locks: list[str]) -> None:
    """npm would not heed it, and install other versions than those that the author has."""
    name = _OTHER_LOCKS[other]
    if locks:
        raise ToppcloudError(
            f"{locks[0]} and {other} are both there.",
            "They may ask for different packages, and only one can be right. npm installs here.",
            f"Delete the other: git rm {other}, commit, push again.",
            reason="two lists of packages",
        )
    raise ToppcloudError(
        f"{other} is there: {name} does not run here, npm does.",
        "npm needs a lock of its own to install the same versions.",
        f"npm install --package-lock-only && git rm {other} && git add package-lock.json, commit, push again.",
        reason=f"{name} does not run here",
    )


def choose_node(node: Node, package: PackageJson) -> Runtime:
    """The Node.js that suits `engines`. Raises ToppcloudError when the node has none."""
    wanted = package.engines.get("node", "")
    wish = f"package.json wants Node.js {wanted}"
    return choose_runtime(node, NODE, node.settings.node, lambda runtime: suits_range(node, runtime, wanted), wish)


def needs_npm(project: Project) -> bool:
    """Whether there is anything to install or to run: an app without packages is live at once."""
    return has_scripts(project.package) or (project.package.has_packages and not project.is_committed)


def install(npm: Npm, project: Project, console: Console) -> list[str]:
    """node_modules with what the build needs, and the line that says where they came from. Returns warnings."""
    package = project.package
    if project.is_committed or not (package.has_packages or package.installs_by_script):
        return tell_nothing_installed(project, npm.runtime, console)
    workshop = npm.workshop
    kept = KeptPackages(workshop, NAME, FOLDER, list_facts(npm, project))
    may_keep = is_reusable(project)
    changed = kept.list_changed() if may_keep else None
    with console.timed_step("") as timed:
        if changed == []:
            kept.take()
            timed.text = f"Node.js {npm.runtime.version}, {project.lock} unchanged: {FOLDER} reused"
            return []
        why = describe_changed(changed, uses_cache=workshop.uses_cache)
        timed.text = f"Node.js {npm.runtime.version}, {why}{run_install(npm, project)}"
    if may_keep:
        kept.keep()
    if project.lock is None:
        return [
            "No package-lock.json: each push may get other versions. Type: npm install && git add package-lock.json"
        ]
    return []


def tell_nothing_installed(project: Project, runtime: Runtime, console: Console) -> list[str]:
    """The line that says why. Returns warnings."""
    if not project.is_committed:
        console.step(f"Node.js {runtime.version}: no packages to install")
        return []
    console.step(f"Node.js {runtime.version}: {FOLDER} as committed, nothing installed")
    cure = "git rm -r --cached node_modules" + ("" if project.lock else " && npm install && git add package-lock.json")
    return [f"{FOLDER} is committed. To have npm install what the lock says instead: {cure}"]


def run_install(npm: Npm, project: Project) -> str:
    """`npm ci` where there is a lock. Returns what ran, for the pusher."""
    is_exact = project.lock is not None and npm.environment.get("USE_NPM_INSTALL", "").lower() != "true"
    words = ["ci"] if is_exact else ["install", "--no-package-lock"] if project.lock is None else ["install"]
    try:
        npm.run(*words, "--include=dev" if wants_development(npm, project) else "--omit=dev")
    except NpmFailed as error:
        raise explain(error, f"npm {words[0]}", project.lock or FILE) from error
    return f"npm {words[0]}" + (f" from {project.lock}" if is_exact else ", without a lock" if not project.lock else "")


def wants_development(npm: Npm, project: Project) -> bool:
    """Whether devDependencies are installed: where a script may need them. NPM_CONFIG_PRODUCTION says so outright, and
    another NODE_ENV wants them at run time."""
    said = npm.environment.get("NPM_CONFIG_PRODUCTION", "").lower()
    if said in ("true", "false"):
        return said == "false"
    return has_scripts(project.package) or npm.environment.get("NODE_ENV") != "production"


def has_scripts(package: PackageJson) -> bool:
    """Whether npm runs any script of the project's own in the build."""
    hooks = ("heroku-prebuild", "heroku-cleanup")
    return bool(package.build_script or package.installs_by_script or any(name in package.scripts for name in hooks))


def is_reusable(project: Project) -> bool:
    """Whether node_modules are all that installing makes, and the same each time."""
    has_links = '"link": true' in project.lock_text or '"link":true' in project.lock_text
    return bool(project.lock_text) and not (
        has_links or project.package.has_workspaces or project.package.installs_by_script
    )


def list_facts(npm: Npm, project: Project) -> dict[str, str]:
    """Everything that decides what npm installs, by the name that the pusher is told when it changed."""
    npmrc = read_plain_file(npm.workshop.source / ".npmrc", _LARGEST_NPMRC)
    return {
        "Node.js": f"{npm.runtime.version} {npm.runtime.executable}",
        "npm": str(npm.cli.parent.parent.stat().st_mtime_ns),
        project.lock or FILE: digest(project.lock_text),
        FILE: digest(project.package.declared, wants_development(npm, project)),
        ".npmrc": digest(None if npmrc is None else npmrc.decode(errors="replace")),
        "variables for npm": digest(npm.keyed()),
    }


def run_script(npm: Npm, name: str) -> None:
    """A script of package.json, with the step that says how long it took."""
    with npm.console.timed_step(f"npm run {name}"):
        npm.run_script(name)


def prune(npm: Npm, project: Project, *, is_site: bool) -> None:
    """What only the build needed does not stay. NPM_CONFIG_PRODUCTION=false or another NODE_ENV keeps it."""
    workshop, environment = npm.workshop, npm.environment
    modules = workshop.source / FOLDER
    if project.is_committed or not modules.is_dir():
        return
    if is_site or (workshop.is_last is False and not project.package.dependencies):
        remove(workshop, modules)
        npm.console.step(f"{FOLDER} removed: nothing runs that needs them")
        return
    keeps = "NPM_CONFIG_PRODUCTION" in environment or environment.get("NODE_ENV") != "production"
    if keeps or not project.package.dev_dependencies or not wants_development(npm, project):
        return
    with npm.console.timed_step("devDependencies removed"):
        try:
            npm.run("prune", "--omit=dev", "--ignore-scripts", *([] if project.lock else ["--no-package-lock"]))
        except NpmFailed as error:
            raise explain(error, "npm prune", project.lock or FILE) from error


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
    folder = options.static or next((name for name in _SITES if has_index(workshop.source / name)), None)
    if folder is None or not (workshop.source / folder).is_dir():
        made = sorted({str(path.parent.relative_to(workshop.source)) for path in list_indexes(workshop.source)})
        what = f"{folder}/" if folder else "site, and nothing says what to start"
        there = f"there is one in {', '.join(made[:4])}." if made else "there is none anywhere."
        raise ToppcloudError(
            f"npm run {package.build_script} made no {what}.",
            f"Looked for an index.html in {folder or ', '.join(_SITES)}; {there}",
            f'Name its folder in toppcloud.toml: [web] static = "{made[0] if made else "dist"}"\n'
            f"or, for an app that runs: npm pkg set scripts.start='node {package.main or 'index.js'}'",
            reason="the build made no site",
        )
    why = f"{outcome.note}static files of {folder}/, made by npm run {package.build_script}; no process"
    web: Web = replace(options, static=folder)
    return Contribution(VERSION, Processes({}, None, why), warnings=warnings, web=web)


def has_index(folder: Path) -> bool:
    """Whether it is a site."""
    return not folder.is_symlink() and is_plain_file(folder / "index.html")


def list_indexes(source: Path) -> list[Path]:
    """Where a site may be instead: at most three folders down."""
    patterns = ("*/index.html", "*/*/index.html", "*/*/*/index.html")
    found = [path for pattern in patterns for path in source.glob(pattern)]
    return [path for path in found if FOLDER not in path.parts and not path.parts[-2].startswith(".")]


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
