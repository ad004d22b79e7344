"""Where everything of one app lies: `apps/blog/` with its repository, slugs, releases and their starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_DRY_RUN = "dry-"  # ids of other slugs begin with eight hexadecimal digits


@dataclass(frozen=True)
class StartLayout:
    """One run of a release's processes: `releases/12/starts/2/`."""

    folder: Path

    @property
    def number(self) -> int:
        return int(self.folder.name)

    @property
    def socket(self) -> Path:
        """The listening socket of this start's web process."""
        return self.folder / "web.sock"

    @property
    def asleep(self) -> Path:
        """The mark of a live start whose programs do not run until somebody visits; see deploy/sleep.py."""
        return self.folder / "asleep"

    @property
    def unavailable(self) -> Path:
        """The mark of a start for which the doorman answers; what it says is in there."""
        return self.folder / "unavailable"

    @property
    def page(self) -> Path:
        """The app's own page for visitors who cannot be served."""
        return self.folder / "page.html"

    @property
    def gunicorn_conf(self) -> Path:
        return self.folder / "gunicorn.conf.py"

    def program(self, process: str) -> Path:
        """The supervisor program of `web.1`, `worker.2`, `web.1.relay`: an INI section."""
        return self.folder / f"{process}.ini"

    def spec(self, process: str) -> Path:
        """What the launcher is to run for `web.1` (0600: it holds the environment)."""
        return self.folder / f"{process}.json"

    def port_file(self, process: str) -> Path:
        """The $PORT of `web.1` in its latest run; see deploy/port_file.py."""
        return self.folder / f"{process}.port"


@dataclass(frozen=True)
class ReleaseLayout:
    """`releases/12/`."""

    folder: Path

    @property
    def number(self) -> int:
        return int(self.folder.name)

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def env(self) -> Path:
        """User config and service variables, kept apart: {"config": {}, "services": {}} (0600)."""
        return self.folder / "env"

    @property
    def record(self) -> Path:
        """release.json, written last: without it there is no such release."""
        return self.folder / "release.json"

    @property
    def went_live(self) -> Path:
        """Empty file whose time is the moment at which this release was activated."""
        return self.folder / "went_live"

    @property
    def failed(self) -> Path:
        """Why it never went live, as JSON {"reason", "what"}."""
        return self.folder / "failed.json"

    @property
    def output(self) -> Path:
        """What the pusher saw while this release was made."""
        return self.folder / "output"

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    @property
    def starts(self) -> Path:
        return self.folder / "starts"

    @property
    def web_sock(self) -> Path:
        """Link to the socket of the start that serves: what the router connects to through `current`."""
        return self.folder / "web.sock"

    @property
    def public(self) -> Path:
        """Link to the folder whose files the router serves by itself. Absent when there is none."""
        return self.folder / "public"

    @property
    def public_hashed(self) -> Path:
        """Link to those of its slug's public files whose name tells their content: nobody need ask for them twice."""
        return self.folder / "public-hashed"

    @property
    def public_built(self) -> Path:
        """Link to the public files that the slug's build made, each at its address."""
        return self.folder / "public-built"

    @property
    def public_before(self) -> Path:
        """Link to the public files of the slug that was live before, for pages that were loaded then."""
        return self.folder / "public-before"

    @property
    def relayed(self) -> Path:
        """Empty file: its web process does not take the inherited socket and is reached through its own $PORT."""
        return self.folder / "relayed"

    def start(self, number: int) -> StartLayout:
        return StartLayout(self.starts / str(number))


@dataclass(frozen=True)
class SlugLayout:
    """`slugs/<id>/`: what a build yields. Nothing runs or writes here once slug.json is there."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def venv(self) -> Path:
        """Link to ../../venvs/<key>."""
        return self.folder / "venv"

    @property
    def private_venv(self) -> Path:
        """A copy of the virtualenv for this slug alone, when a build step would change the shared one."""
        return self.folder / "private-venv"

    @property
    def tmp(self) -> Path:
        """TMPDIR of the build; gone when it ended."""
        return self.folder / "tmp"

    @property
    def env_dir(self) -> Path:
        """Config vars for one program of the build, a file for each (0700); gone when it ended."""
        return self.folder / "env"

    @property
    def public(self) -> Path:
        """Files that the router serves, each at its address: `public/static/app.css`. Regular files and no others."""
        return self.folder / "public"

    @property
    def public_hashed(self) -> Path:
        """Those of them whose name carries a hash of what is in them."""
        return self.folder / "public-hashed"

    @property
    def manifest(self) -> Path:
        """What lies in source/, as `sha256sum -c` reads it."""
        return self.folder / "source.sha256"

    @property
    def provenance(self) -> Path:
        """Which of the commit's files the build altered; see buildpacks/provenance.py."""
        return self.folder / "source.altered"

    @property
    def record(self) -> Path:
        """slug.json, written last: without it there is no such slug."""
        return self.folder / "slug.json"


@dataclass(frozen=True)
class RepositoryLayout:
    """`apps/blog/repo.git/`: a bare git repository, and what we keep beside git's own files."""

    folder: Path

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    @property
    def packs(self) -> Path:
        return self.objects / "pack"

    @property
    def shallow(self) -> Path:
        """The commits whose parents nobody ever sent: one id a line. Absent when history is whole."""
        return self.folder / "shallow"

    @property
    def references_lock(self) -> Path:
        """Held while branches, tags and `shallow` change."""
        return self.folder / "lock.references"

    @property
    def quarantines(self) -> Path:
        """A folder for each push under way: an object store of what was sent and is not accepted yet."""
        return self.folder / "quarantine"

    @property
    def tidying_log(self) -> Path:
        return self.folder / "tidying.log"

    def reference_lock(self, name: str) -> Path:
        """The lock file that git and dulwich leave behind `refs/heads/main` when they are killed."""
        return self.folder / f"{name}.lock"


@dataclass(frozen=True)
class AppLayout:
    """`apps/blog/`."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def repository(self) -> Path:
        return self.folder / "repo.git"

    @property
    def build_lock(self) -> Path:
        return self.folder / "lock.build"

    @property
    def release_lock(self) -> Path:
        return self.folder / "lock.release"

    @property
    def staged_config(self) -> Path:
        """config.json (0600): values that wait for the next release, {KEY: value or null for unset}."""
        return self.folder / "config.json"

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"

    @property
    def settings_lock(self) -> Path:
        return self.folder / "lock.settings"

    @property
    def memory(self) -> Path:
        """memory.json: how much its processes took when they were last measured."""
        return self.folder / "memory.json"

    @property
    def bindings(self) -> Path:
        """services.json (0600): what each declared service needs to remember for this app."""
        return self.folder / "services.json"

    @property
    def bindings_lock(self) -> Path:
        return self.folder / "lock.services"

    @property
    def venvs(self) -> Path:
        return self.folder / "venvs"

    def venv(self, key: str) -> Path:
        return self.venvs / key

    @property
    def venvs_lock(self) -> Path:
        """Held while a build chooses a virtualenv, and while unused ones are collected."""
        return self.folder / "lock.venvs"

    def unfinished_venv(self, name: str) -> Path:
        """Where a virtualenv is made; renamed to its key when it is whole."""
        return self.venvs / f".new-{name}"

    def build_cache(self, name: str) -> Path:
        """What the buildpack `name` keeps from one build to the next."""
        return self.folder / "cache" / name

    @property
    def slugs(self) -> Path:
        return self.folder / "slugs"

    def slug(self, slug_id: str) -> SlugLayout:
        return SlugLayout(self.slugs / slug_id)

    def dry_run(self, token: str) -> SlugLayout:
        """What a dry run builds: a slug that no release will have."""
        return self.slug(f"{_DRY_RUN}{token}")

    def dry_runs(self) -> list[SlugLayout]:
        """Those under way, and those whose session was killed."""
        return [self.slug(name) for name in list_names(self.slugs) if name.startswith(_DRY_RUN)]

    @property
    def releases(self) -> Path:
        return self.folder / "releases"

    def release(self, number: int) -> ReleaseLayout:
        return ReleaseLayout(self.releases / str(number))

    @property
    def current(self) -> Path:
        """Link to releases/N. Renaming it is the only moment of a deploy that matters."""
        return self.folder / "current"

    @property
    def files(self) -> Path:
        """What the app may write and keep over releases."""
        return self.folder / "files"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def output(self) -> Path:
        """app.log: the lines of all processes, in order of arrival."""
        return self.log / "app.log"

    @property
    def notice(self) -> Path:
        """What the node did by itself and nobody was told of yet: {"at", "lines"}."""
        return self.folder / "notice.json"

    def release_numbers(self) -> list[int]:
        """All numbers that were ever taken and whose folder is still here, newest first."""
        return sorted((int(name) for name in list_names(self.releases) if name.isdigit()), reverse=True)

    def live_number(self) -> int | None:
        """The number that `current` points to, or None before the first release."""
        try:
            return int(self.current.readlink().name)
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class TrialLayout(AppLayout):
    """An app as a dry run of it sees it: what it reads is the app's, what it writes goes again with `trial`."""

    trial: Path

    @property
    def repository(self) -> Path:
        return self.trial / "repo.git"

    @property
    def releases(self) -> Path:
        return self.trial / "releases"

    @property
    def current(self) -> Path:
        return self.trial / "current"

    @property
    def files(self) -> Path:
        return self.trial / "files"


def list_names(folder: Path) -> Iterator[str]:
    """What lies in a folder; nothing when there is none."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
    except FileNotFoundError:
        return
