"""A buildpack of Heroku's classic API: bin/detect, bin/compile, bin/release, and the file `export`.

    bin/detect BUILD                      is the project for it? prints its name
    bin/compile BUILD CACHE ENV_DIR       makes it ready to run
    bin/release BUILD                     prints YAML: process types, variables

Its programs run as the account of pushed code, with few variables; config vars are files in ENV_DIR.
Source: https://devcenter.heroku.com/articles/buildpack-api
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from buildpacks.buildpack import Contribution, Workshop
from buildpacks.buildpack_address import BuildpackAddress
from buildpacks.env_dir import hold_env_dir
from buildpacks.fetched_buildpack import BuildpackCopy, obtain_buildpack
from buildpacks.processes import RELEASE, Declarations, Processes, choose_processes, read_declarations
from buildpacks.release_yaml import LARGEST_BYTES, ReleaseYaml, parse_release_yaml
from buildpacks.seal import take_over
from buildpacks.uv import make_folder
from buildpacks.web_default import WebDefault
from toppcloud.build_variables import is_given_to_builds, read_build_variables
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.program import BASE_PATH, Finished, ProgramFailed

STACK = "heroku-22"
"""Whose programs are most likely to run here: the oldest C library of Heroku's stacks, Ubuntu 22.04's."""
_SHORT_TIMEOUT_S = 60.0
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LARGEST_EXPORT = 1024 * 1024
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NOT_EXPORTED = frozenset({"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR"})
_EXPORT = 'cd "$2" && . "$1" >&2; exec /usr/bin/env -0'


@dataclass
class ClassicBuildpack:
    """One that an address leads to."""

    address: BuildpackAddress
    NAME: str = "classic"

    def find(self, source: Path, declarations: Declarations) -> str | None:
        """Only who asks for it by its address gets it."""
        return None

    def build(self, workshop: Workshop, console: Console) -> Contribution:
        """Fetch it, then detect, compile, release. Raises ToppcloudError or Cancelled."""
        console.line(f"-----> buildpack {self.address.shown}")
        copy = obtain_buildpack(workshop, self.address, console)
        return _Session(workshop, self.address, copy, console).build()


@dataclass(frozen=True)
class _Session:
    """One buildpack at work on one project."""

    workshop: Workshop
    address: BuildpackAddress
    copy: BuildpackCopy
    console: Console

    def build(self) -> Contribution:
        began = self.console.clock()
        self.workshop.node.account.own_tree(self.workshop.source)
        name = self.detect()
        self.compile()
        exported = self.read_export()
        release = self.release()
        take_over(self.workshop.source, self.workshop.node.account)
        self.console.step(f"{name} done", self.console.clock() - began)
        path = [part for part in exported.pop("PATH", "").split(":") if part not in self.path]
        return Contribution(
            f"{self.address.shown.partition('#')[0]}#{self.copy.version[:7]}".rstrip("#"),
            choose_default_processes(self.workshop, release, self.address.shown),
            paths=release.paths,
            environment=release.environment,
            exported=exported,
            exported_paths=tuple(part for part in path if part.startswith("/")),
            warnings=tuple(
                f"The buildpack asks for {addon}: toppcloud services shows what there is." for addon in release.addons
            ),
        )

    def detect(self) -> str:
        """The name that it gives itself."""
        program = self.copy.folder / "bin/detect"
        if not program.is_file():
            return self.address.shown
        try:
            finished = self._run(program, self.workshop.source, timeout_s=_SHORT_TIMEOUT_S)
        except ProgramFailed as failure:
            raise ToppcloudError(
                f"The project is not for the buildpack {self.address.shown}.",
                f"Its bin/detect says so: {_describe_ending(failure, _SHORT_TIMEOUT_S)}.",
                "Take it out (toppcloud buildpacks, or the file .buildpacks), or add the files that it looks for.",
                reason="app not compatible with buildpack",
                output=failure.output,
            ) from failure
        return next((line.strip() for line in finished.lines if line.strip()), self.address.shown)[:80]

    def compile(self) -> None:
        """All it prints is shown as it comes."""
        limit_s = float(self.workshop.node.settings.build_timeout_s)
        cache = self.workshop.open_cache(f"classic-{self.address.digest}")
        try:
            with hold_env_dir(self.workshop) as env_dir:
                program = self.copy.folder / "bin/compile"
                self._run(program, self.workshop.source, cache, env_dir, timeout_s=limit_s, is_shown=True)
        except ProgramFailed as failure:
            raise ToppcloudError(
                f"The buildpack {self.address.shown} failed.",
                f"Its bin/compile {_describe_ending(failure, limit_s)}. Its last lines are above.",
                "What it wants, its own pages say. Correct the project, commit, push again.",
                reason="buildpack failed",
            ) from failure

    def read_export(self) -> dict[str, str]:
        """What the file `export`, sourced by bash, changes of the variables."""
        script = self.copy.folder / "export"
        if not script.is_file():
            return {}
        content = self._read_stdout("/bin/bash", "-c", _EXPORT, "export", script, self.workshop.source)
        if len(content) > _LARGEST_EXPORT:
            raise ToppcloudError(f"The file export of {self.address.shown} sets too much.", reason="buildpack failed")
        lines = [os.fsdecode(item).partition("=") for item in content.split(b"\0")]
        changed = {name: value for name, _, value in lines if self.environment.get(name) != value}
        kept = {name: value for name, value in changed.items() if _VARIABLE.match(name) and name not in _NOT_EXPORTED}
        return {**kept, **({"PATH": changed["PATH"]} if "PATH" in changed else {})}

    def release(self) -> ReleaseYaml:
        program = self.copy.folder / "bin/release"
        if not program.is_file():
            return ReleaseYaml()
        return parse_release_yaml(self._read_stdout(program, self.workshop.source), self.address.shown)

    @property
    def path(self) -> list[str]:
        """PATH: what buildpacks before this one brought comes first."""
        venv = self.workshop.slug.venv / "bin"
        return [*map(str, self.workshop.paths), *([str(venv)] if venv.is_dir() else []), *BASE_PATH.split(":")]

    @property
    def environment(self) -> dict[str, str]:
        """No config vars: whoever wants one reads it from ENV_DIR."""
        node, slug = self.workshop.node, self.workshop.slug
        operator = read_build_variables(node.layout, os.environ)
        home = slug.tmp / "home"
        make_folder(home, node.account)
        return {
            "STACK": STACK,
            **{key: value for key, value in operator.items() if is_given_to_builds(key)},
            **self.workshop.exported,
            "PATH": ":".join(self.path),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TMPDIR": str(slug.tmp),
            "SOURCE_VERSION": self.workshop.commit,
            "REQUEST_ID": slug.folder.name,
            "BUILDPACK_LOG_FILE": "/dev/null",
        }

    def _run(self, *argv: str | Path, timeout_s: float, is_shown: bool = False) -> Finished:
        on_line = self._show if is_shown else None
        return self.workshop.run(argv, self.environment, cwd=self.copy.folder, timeout_s=timeout_s, on_line=on_line)

    def _read_stdout(self, *argv: str | Path) -> bytes:
        """At most what is too much. Raises ToppcloudError when the program fails."""
        with tempfile.TemporaryFile() as file:
            try:
                self.workshop.run(argv, self.environment, cwd=self.copy.folder, stdout=file, timeout_s=_SHORT_TIMEOUT_S)
            except ProgramFailed as failure:
                raise ToppcloudError(
                    f"The buildpack {self.address.shown} failed.",
                    f"{Path(argv[0]).name} {_describe_ending(failure, _SHORT_TIMEOUT_S)}.",
                    reason="buildpack failed",
                    output=failure.output,
                ) from failure
            file.seek(0)
            return file.read(max(LARGEST_BYTES, _LARGEST_EXPORT) + 1)

    def _show(self, line: str) -> None:
        self.console.line(_ESCAPES.sub("", line))


def choose_default_processes(workshop: Workshop, release: ReleaseYaml, shown: str) -> Processes:
    """The Procfile's, which bin/compile may have written; where it is silent, what bin/release names."""
    given = dict(release.processes)
    web, release_command = given.pop("web", None), given.pop(RELEASE, None)
    default = WebDefault(web, f"{shown} names one") if web else None
    declarations = read_declarations(workshop.source)
    required = workshop.must_run and not given
    chosen = choose_processes(workshop.source, declarations, default, is_required=required)
    added = {name: command for name, command in given.items() if name not in chosen.commands}
    why = f"{chosen.why}; of the buildpack: {', '.join(added)}" if added else chosen.why
    return Processes({**chosen.commands, **added}, chosen.release_command or release_command, why)


def _describe_ending(failure: ProgramFailed, limit_s: float) -> str:
    status = failure.status_code
    return f"did not end within {limit_s:.0f} s" if status is None else f"ended with {status}"
