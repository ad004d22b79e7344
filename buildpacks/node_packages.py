"""node_modules: installed by npm as the lock says, kept from one build to the next, pruned when the build is done."""

from __future__ import annotations

from buildpacks.kept_packages import KeptPackages, describe_changed, digest, remove
from buildpacks.node_project import FOLDER, Project, has_scripts, is_reusable
from buildpacks.npm import Npm, NpmFailed, explain
from buildpacks.package_json import FILE
from buildpacks.runtime import Runtime
from toppcloud.console import Console
from toppcloud.files import read_plain_file

_KEPT = "nodejs"
_LARGEST_NPMRC = 1024 * 1024


def install(npm: Npm, project: Project, console: Console) -> list[str]:
    """node_modules with what the build needs, and the line that says where they came from. Returns warnings."""
    package = project.package
    if project.is_committed or not (package.has_packages or package.installs_by_script):
        return tell_nothing_installed(project, npm.runtime, console)
    workshop = npm.workshop
    kept = KeptPackages(workshop, _KEPT, FOLDER, list_facts(npm, project))
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
