"""What a buildpack is: it says whether a project is for it, and makes such a project ready to run.

Several may work on one project, one after the other, in the same folder; the last one names the process types.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from buildpacks.processes import Declarations, Processes
from buildpacks.uv import BuildEnvironment, make_folder
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.files import remove_tree
from toppcloud.node import Node
from toppcloud.program import BASE_PATH, Finished, run
from toppcloud.slug import Slug, Web


@dataclass(frozen=True)
class Workshop:
    """Where one buildpack works, and what it is told. It reads and writes in `source`, as the node's account."""

    node: Node
    app: AppLayout
    slug: SlugLayout
    declarations: Declarations
    environment: BuildEnvironment
    previous: Slug | None
    """The slug of the live release: what is equal to it need not be done again."""
    is_cancelled: Callable[[], str | None]
    is_last: bool = True
    """The last buildpack names the process types."""
    uses_cache: bool = True
    """False: `git push -o no-cache`; nothing of an earlier build is used."""
    paths: tuple[Path, ...] = ()
    """Folders of programs that buildpacks before this one brought: they are in front of PATH."""
    exported: Mapping[str, str] = field(default_factory=dict)
    """Variables that buildpacks before this one set for those after them."""
    commit: str = ""
    """What is built."""

    @property
    def source(self) -> Path:
        return self.slug.source

    @property
    def must_run(self) -> bool:
        """Whether processes run now that would end without anything in their place."""
        return self.is_last and self.previous is not None and bool(self.previous.processes)

    def cache(self, name: str) -> Path:
        """A folder that the buildpack `name` may keep from one build of this app to the next."""
        folder = self.app.build_cache(name)
        make_folder(folder, self.node.account)
        return folder

    def open_cache(self, name: str) -> Path:
        """The same folder, empty when nothing of an earlier build is to be used."""
        if not self.uses_cache:
            remove_tree(self.app.build_cache(name))
        return self.cache(name)

    def step_environment(self, *front: Path) -> dict[str, str]:
        """For a program of the app's own that runs in the build: config and service variables, and a PATH.

        `front` are folders to look in before all others.
        """
        given = self.environment.app
        path = [*map(str, (*front, *self.paths)), given.get("PATH") or BASE_PATH]
        return {**self.exported, **given, "PATH": ":".join(path)}

    def install_environment(self) -> dict[str, str]:
        """For a program that installs packages: it may compile some, with what buildpacks before this one brought."""
        given = self.environment.install
        return {**self.exported, **given, "PATH": ":".join([*map(str, self.paths), given["PATH"]])}

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        environment: Mapping[str, str],
        *,
        cwd: Path | None = None,
        timeout_s: float | None = None,
        stdout: IO[bytes] | int | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Finished:
        """Run a program of the build as the account, in the source and within the build's time unless told otherwise.

        It ends when the push is cancelled. Raises ProgramFailed, or Cancelled; see toppcloud/program.py.
        """
        return run(
            argv,
            env=environment,
            cwd=cwd or self.source,
            stdout=stdout,
            timeout_s=self.node.settings.build_timeout_s if timeout_s is None else timeout_s,
            account=self.node.account,
            on_line=on_line,
            is_cancelled=self.is_cancelled,
        )


@dataclass(frozen=True)
class PythonPart:
    """What the Python buildpack leaves in slug.json. See Slug for the meaning of each."""

    venv_key: str | None
    version: str
    executable: str
    build: str
    cache_tag: str
    manager: str
    lock_hash: str
    distributions: Mapping[str, str]


@dataclass(frozen=True)
class Contribution:
    """What one buildpack adds to the slug, beside what it wrote into the source."""

    buildpack: str
    """Name and version: `python 2`; the address and commit of one that was fetched."""
    processes: Processes
    """Process types as they are if this buildpack is the last one."""
    paths: tuple[str, ...] = ()
    """Folders of programs, in front of PATH. Relative ones lie in the source."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Defaults for the app's processes: config vars win."""
    exported: Mapping[str, str] = field(default_factory=dict)
    """Variables for the buildpacks that come after this one."""
    exported_paths: tuple[str, ...] = ()
    """Folders of programs for the buildpacks that come after this one, and not at run time."""
    warnings: tuple[str, ...] = ()
    python: PythonPart | None = None
    web: Web | None = None
    """`[web]` when toppcloud.toml does not say all of it, as the folder of a site."""
    static: tuple[tuple[str, str], ...] = ()
    """Files that the router serves: (url path, folder in the source), as ("static", "staticfiles")."""


class Buildpack(Protocol):
    """One that is built in is a module with these."""

    NAME: str

    def find(self, source: Path, declarations: Declarations) -> str | None:
        """Why this project is for it, as `requirements.txt`; None when it is not."""

    def build(self, workshop: Workshop, console: Console) -> Contribution:
        """Make the project ready to run. Raises ToppcloudError, or Cancelled."""
