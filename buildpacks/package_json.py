"""package.json: what of it counts for building and running an app.

{"scripts": {"start": "node server.js", "build": "vite build"}, "dependencies": {"express": "^5"}}
Source: https://docs.npmjs.com/cli/configuring-npm/package-json
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toppcloud.errors import ToppcloudError

FILE = "package.json"
_LARGEST_BYTES = 4 * 1024 * 1024
_GROUPS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
_RUN_OTHER = re.compile(r"npm run(?:-script)? ([\w:.-]+)\Z")
_DEVELOPMENT_SERVER = re.compile(
    r"(?:(?:react-scripts|react-app-rewired|craco) start|vite(?: dev| serve)?(?: -.*)?|parcel\b(?! build).*"
    r"|ng serve\b.*|webpack(?:-dev-server| serve)\b.*|vue-cli-service serve\b.*"
    r"|(?:live-server|browser-sync|eleventy --serve)\b.*)\Z"
)
_MOST_HOPS = 5


@dataclass(frozen=True)
class PackageJson:
    """The file's content, checked as far as it is used."""

    name: str = ""
    version: str = ""
    main: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    """Names that the app needs when it runs, those that may be missing left out."""
    dev_dependencies: tuple[str, ...] = ()
    """Names that only its build needs."""
    has_packages: bool = False
    """Whether npm has anything to install."""
    engines: Mapping[str, str] = field(default_factory=dict)
    """{"node": "20.x"}"""
    has_workspaces: bool = False
    declared: str = ""
    """All that decides what npm installs, as text to be compared."""

    @property
    def installs_by_script(self) -> bool:
        """Whether installing runs scripts of the project's own."""
        return any(name in self.scripts for name in _INSTALL_SCRIPTS)

    @property
    def build_script(self) -> str | None:
        """The script that makes the assets: `heroku-postbuild` stands for `build`, as Heroku has it."""
        return next((name for name in ("heroku-postbuild", "build") if self.scripts.get(name)), None)


def parse_package_json(text: str) -> PackageJson:
    """The file as a value. Raises ToppcloudError quoting what is wrong. What has another type counts as absent."""
    try:
        value = json.loads(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except (ValueError, RecursionError) as error:
        raise ToppcloudError(
            f"{FILE} cannot be read.", f"{error}.", "Correct it, commit, push again.", reason=f"invalid {FILE}"
        ) from error
    if not isinstance(value, dict):
        raise ToppcloudError(
            f"{FILE} is no object.", "npm wants {…}.", "Correct it, commit, push again.", reason=f"invalid {FILE}"
        )
    groups = {group: _table(value.get(group)) for group in _GROUPS}
    return PackageJson(
        name=_text(value.get("name")),
        version=_text(value.get("version")),
        main=_text(value.get("main")),
        scripts={key: text for key, text in _table(value.get("scripts")).items() if isinstance(text, str)},
        dependencies=tuple(key for key in groups["dependencies"] if key not in groups["optionalDependencies"]),
        dev_dependencies=tuple(groups["devDependencies"]),
        has_packages=any(groups.values()) or bool(value.get("workspaces")),
        engines={key: text for key, text in _table(value.get("engines")).items() if isinstance(text, str)},
        has_workspaces=bool(value.get("workspaces")),
        declared=json.dumps([groups, value.get("overrides"), value.get("bundleDependencies")], sort_keys=True),
    )


def read_package_json(source: Path) -> PackageJson | None:
    """That of the project; None when there is none, or it is no plain file."""
    path = source / FILE
    if path.is_symlink() or not path.is_file():
        return None
    if path.stat().st_size > _LARGEST_BYTES:
        raise ToppcloudError(f"{FILE} is too large.", "No project's is larger than 4 MB.", reason=f"invalid {FILE}")
    return parse_package_json(path.read_text(errors="replace"))


def find_unbuilt(source: Path, programs: Collection[Path]) -> tuple[str, ...]:
    """A hint for a project of another buildpack, when no npm ran before it (`programs` are the folders that brought).

    What is wrong with package.json is not this project's concern.
    """
    try:
        package = read_package_json(source)
    except ToppcloudError:
        return ()
    if package is None or not package.build_script or any(path.match("node_modules/.bin") for path in programs):
        return ()
    cure = "toppcloud buildpacks:add nodejs --index 1"
    return (f"package.json has a {package.build_script} script, which did not run. To have npm run it: {cure}",)


def choose_start(package: PackageJson) -> str | None:
    """The command that `npm start` comes down to, to be run without npm in front of it: it takes 50 MB and some tenths
    of a second. `npm start` itself where the script leans on npm; None without a start script."""
    name = "start"
    for _ in range(_MOST_HOPS):
        script = package.scripts.get(name, "").strip()
        if not script:
            return None if name == "start" else "npm start"
        before = package.scripts.get(f"pre{name}", "").strip()
        if f"post{name}" in package.scripts or any(mark in before + script for mark in ("npm_", "\n", "\r", "\0")):
            return "npm start"
        other = _RUN_OTHER.match(script)
        if before or not other:
            return f"{before} && {script}" if before else script
        name = other[1]
    return "npm start"


def is_development_server(command: str) -> bool:
    """Whether a start script is for the author's own desk: it serves what is not built, by packages that are pruned."""
    return bool(_DEVELOPMENT_SERVER.match(command.removeprefix("npx ")))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""
