"""npm: where it lies beside Node.js, the environment that it is given, and what its error codes mean for a person."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpacks.buildpack import Workshop
from buildpacks.runtime import Runtime
from buildpacks.uv import SYSTEM_CERTIFICATES, hide_credentials, make_folder
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, find_program, run

_CLI = "npm-cli.js"
_DEBIAN = Path("/usr/share/nodejs/npm/bin", _CLI)
_OPERATORS = re.compile(r"npm_config_|node_extra_ca_certs\Z|ssl_cert_|(?:https?|all|no)_proxy\Z", re.IGNORECASE)
_KEYED = re.compile(r"npm_config_|node_env\Z|node_options\Z|cc\Z|cxx\Z|\w*flags\Z", re.IGNORECASE)
_NOT_KEYED = frozenset(("npm_config_cache", "npm_config_userconfig"))
_CODE = re.compile(r"npm (?:ERR!|error) code (E[A-Z0-9_]+)")
_MANUAL = re.compile(r"npm (?:ERR!|error) (?:Clean install a project|Usage:)")
_TELLING = re.compile(r"^(?!> |npm (?:ERR!|error)\s*\Z|npm (?:ERR!|error) Log files)\s*\S")
_SECRET = re.compile(r"((?:_authToken|_auth|_password)\s*=\s*)\S+")
_SATISFIES_TIMEOUT_S = 20
_SATISFIES = """
const semver = require(process.env.SEMVER), range = process.env.RANGE
process.exit(!semver.validRange(range) ? 3 : semver.satisfies(process.env.VERSION, range) ? 0 : 4)
"""
_INVALID, _NO = 3, 4
_UNREACHABLE = (
    "The registry could not be reached from this node.",
    "Push again, or name another: toppcloud config:set NPM_CONFIG_REGISTRY=…",
)
_MEANINGS = {
    "EUSAGE": ("{lock} and package.json do not say the same.", "npm install && git add {lock}, commit, push again."),
    **dict.fromkeys(("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT"), _UNREACHABLE),
    "E401": (
        "The registry wants to know who asks.",
        "Write _authToken=${{NPM_TOKEN}} into .npmrc, and: toppcloud config:set NPM_TOKEN=…",
    ),
    "E403": ("The registry does not let this node have it.", "See its token: toppcloud config:get NPM_TOKEN"),
    "E404": (
        "The registry has no such package.",
        "Correct its name, or name its registry in .npmrc.",
    ),
    "ETARGET": (
        "The registry has no such version.",
        "Correct package.json, then: npm install && git add {lock}",
    ),
    "EINTEGRITY": (
        "A package is not what {lock} says it is.",
        "Lock it anew: rm -rf node_modules {lock} && npm install && git add {lock}",
    ),
    "ERESOLVE": ("Packages contradict one another.", "Lock what works for you: npm install && git add {lock}"),
    "EBADENGINE": ("A package is for another Node.js.", "Choose another version of it, or of Node.js."),
    "EBADPLATFORM": (
        "A package is not for this kind of machine.",
        "Make it optional: npm install -O NAME",
    ),
}


class NpmFailed(ToppcloudError):
    """npm ended badly. `code` is its own word for why, as `E404`; empty when it gave none."""

    def __init__(self, how: str, code: str) -> None:
        super().__init__(how, reason="npm failed")
        self.code = code


@dataclass(frozen=True)
class Npm:
    """npm as one build uses it: always by the Node.js that was chosen, as the account, in the source."""

    workshop: Workshop
    runtime: Runtime
    cli: Path
    environment: Mapping[str, str]
    console: Console

    def run(self, *words: str) -> None:
        """`npm WORDS`, its lines shown without credentials and manuals. Raises NpmFailed."""
        codes: list[str] = []
        manual: list[str] = []

        def show(line: str) -> None:
            codes.extend(_CODE.findall(line))
            manual.extend(_MANUAL.findall(line))
            if _TELLING.search(line) and not manual:
                self.console.detail(hide_secrets(line))

        try:
            self.workshop.run([self.runtime.executable, self.cli, *words], self.environment, on_line=show)
        except ProgramFailed as error:
            how = "it did not end in time" if error.status_code is None else f"exit status {error.status_code}"
            raise NpmFailed(how, codes[-1] if codes else "") from error

    def run_script(self, name: str) -> None:
        """A script of package.json. Raises ToppcloudError with the name and the line of it."""
        try:
            self.run("run", "--silent", name)
        except NpmFailed as error:
            raise ToppcloudError(
                f"npm run {name} failed: {error.what}.",
                "What it said is above. It ran with this app's config vars, and with NODE_ENV="
                f"{self.environment.get('NODE_ENV')}.",
                "Correct it, commit, push again.",
                reason=f"npm run {name} failed"[:50],
            ) from error

    def keyed(self) -> dict[str, str]:
        """The variables that decide what an installation yields."""
        return {
            key: value
            for key, value in sorted(self.environment.items())
            if _KEYED.match(key) and key.lower() not in _NOT_KEYED
        }


def make_npm(workshop: Workshop, runtime: Runtime, console: Console) -> Npm:
    """Raises ToppcloudError when the node has Node.js without npm."""
    cli = find_cli(runtime)
    if cli is None:
        raise ToppcloudError(
            "This node has Node.js, but no npm to install packages or to build with.",
            f"Looked beside {runtime.executable}, and for {_DEBIAN}.",
            "On the node: apt-get install npm",
            reason="npm is missing",
        )
    return Npm(workshop, runtime, cli, make_environment(workshop, runtime), console)


def find_cli(runtime: Runtime) -> Path | None:
    """`npm-cli.js` of the npm that belongs to this Node.js, else of any that the node has."""
    prefixes = (runtime.folder.parent, Path(os.path.realpath(runtime.executable)).parent.parent)
    candidates = [prefix / "lib/node_modules/npm/bin" / _CLI for prefix in prefixes]
    for program in (runtime.folder / "npm", find_program("npm")):
        if program is not None:
            candidates.append(Path(os.path.realpath(program)))
    return next((path for path in (*candidates, _DEBIAN) if path.name == _CLI and path.is_file()), None)


def make_environment(workshop: Workshop, runtime: Runtime) -> dict[str, str]:
    """Config and service variables; of the operator's those for registries; and our own few where neither says it."""
    given = {key: value for key, value in workshop.environment.install.items() if _OPERATORS.match(key)}
    given |= workshop.step_environment(workshop.source / "node_modules/.bin", runtime.folder)
    cache = workshop.node.layout.npm_cache
    make_folder(cache, workshop.node.account)
    ours = {
        "NODE_ENV": "production",
        "npm_config_cache": str(cache),
        "npm_config_userconfig": str(workshop.slug.tmp / "npmrc"),  # HOME is shared by all builds
        "npm_config_prefer_offline": "true",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
        "npm_config_logs_max": "0",
        "npm_config_progress": "false",
    }
    certificates = next((path for path in SYSTEM_CERTIFICATES if Path(path).exists()), None)
    if certificates:
        ours["NODE_EXTRA_CA_CERTS"] = certificates  # those of this machine's own count for other programs too
    said = {key.lower() for key in given}
    return {**{key: value for key, value in ours.items() if key.lower() not in said}, **given}


def suits_range(node: Node, runtime: Runtime, wanted: str) -> bool:
    """Whether the version is within `>=18 <23`, as npm itself reads it. Without npm nobody can tell: then it is.

    Raises ToppcloudError when it is no range.
    """
    semver = find_semver(runtime)
    if semver is None or not wanted.strip():
        return True
    environment = {"SEMVER": str(semver), "RANGE": wanted, "VERSION": runtime.version}
    try:
        argv = [str(runtime.executable), "-e", _SATISFIES]
        run(argv, env=environment, cwd=Path("/"), account=node.account, timeout_s=_SATISFIES_TIMEOUT_S)
    except ProgramFailed as error:
        if error.status_code == _NO:
            return False
        if error.status_code != _INVALID:
            raise
        raise ToppcloudError(
            f'package.json: engines.node is "{wanted}", which is no range of versions.',
            "npm's own semver cannot read it.",
            f"Write it as: npm pkg set engines.node={runtime.version.split('.')[0]}.x",
            reason="invalid engines.node",
        ) from error
    return True


def find_semver(runtime: Runtime) -> Path | None:
    """npm's own reader of version ranges."""
    cli = find_cli(runtime)
    folders = [cli.parent.parent / "node_modules/semver"] if cli else []
    return next((folder for folder in (*folders, Path("/usr/share/nodejs/semver")) if folder.is_dir()), None)


def explain(error: NpmFailed, what: str, lock: str) -> ToppcloudError:
    """npm's error code as a sentence and a cure."""
    why, cure = _MEANINGS.get(error.code, ("What npm said is above.", "Correct it, commit, push again."))
    return ToppcloudError(
        f"{what} failed: {error.what}{f', {error.code}' if error.code else ''}.",
        why.format(lock=lock),
        cure.format(lock=lock),
        reason="installing packages failed",
    )


def hide_secrets(line: str) -> str:
    """Tokens of .npmrc and passwords in addresses stay out of what people see."""
    return _SECRET.sub(r"\1***", hide_credentials(line))
