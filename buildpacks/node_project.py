"""What the files of a Node.js project say: its package.json, its lock, packages that were committed with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from buildpacks.package_json import FILE, PackageJson, read_package_json
from buildpacks.source_text import is_plain_file
from toppcloud.errors import ToppcloudError

FOLDER = "node_modules"
LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
_OTHER_LOCKS = {"yarn.lock": "Yarn", "pnpm-lock.yaml": "pnpm", "bun.lock": "Bun", "bun.lockb": "Bun"}
_LARGEST_LOCK = 64 * 1024 * 1024


@dataclass(frozen=True)
class Project:
    """What the files of a Node.js project say."""

    package: PackageJson
    lock: str | None
    """`package-lock.json`"""
    lock_text: str
    is_committed: bool
    """Its node_modules were pushed along, with all that it needs."""


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


def needs_npm(project: Project) -> bool:
    """Whether there is anything to install or to run: an app without packages is live at once."""
    return has_scripts(project.package) or (project.package.has_packages and not project.is_committed)


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
