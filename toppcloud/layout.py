"""Where everything lies. Every path of a node is a method of one of these classes, and of nothing else.

ROOT/                         does not move
  node.toml  host_key (0600)  host_key.pub  people/NAME/key.pub
  pythons/                    interpreters that uv fetched
  apps/blog/                  see AppLayout
  routes/HOST -> ../apps/blog the routing table IS this folder; _.example.com is a wildcard
  services/  kept/  run/  log/  cache/
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


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
    def gunicorn_conf(self) -> Path:
        return self.folder / "gunicorn.conf.py"

    def program(self, process: str) -> Path:
        """The supervisor program of `web.1`, `worker.2`, `web.1.relay`: an INI section."""
        return self.folder / f"{process}.ini"

    def spec(self, process: str) -> Path:
        """What the launcher is to run for `web.1` (0600: it holds the environment)."""
        return self.folder / f"{process}.json"


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
    def manifest(self) -> Path:
        """What lies in source/, as `sha256sum -c` reads it."""
        return self.folder / "source.sha256"

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

    def unfinished_venv(self, name: str) -> Path:
        """Where a virtualenv is made; renamed to its key when it is whole."""
        return self.venvs / f".new-{name}"

    @property
    def slugs(self) -> Path:
        return self.folder / "slugs"

    def slug(self, slug_id: str) -> SlugLayout:
        return SlugLayout(self.slugs / slug_id)

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

    def release_numbers(self) -> list[int]:
        """All numbers that were ever taken and whose folder is still here, newest first."""
        return sorted((int(name) for name in _names(self.releases) if name.isdigit()), reverse=True)

    def live_number(self) -> int | None:
        """The number that `current` points to, or None before the first release."""
        try:
            return int(self.current.readlink().name)
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class PostgresLayout:
    """`services/postgres/`: the embedded database server."""

    folder: Path

    @property
    def data(self) -> Path:
        """What initdb made; the database account's, 0700."""
        return self.folder / "data"

    @property
    def unfinished_data(self) -> Path:
        """Where initdb works; renamed to `data` when it is done."""
        return self.folder / "data.new"

    @property
    def programs(self) -> Path:
        """Copies of the database's programs, when its account cannot reach the package's own."""
        return self.folder / "programs"

    @property
    def password(self) -> Path:
        """The superuser's password (0600)."""
        return self.folder / "password"

    @property
    def postgresql_conf(self) -> Path:
        return self.folder / "postgresql.conf"

    @property
    def pg_hba_conf(self) -> Path:
        return self.folder / "pg_hba.conf"

    @property
    def program(self) -> Path:
        """The supervisor program, written last: with it there is an embedded server."""
        return self.folder / "program.ini"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"


@dataclass(frozen=True)
class Layout:
    """A node's root folder."""

    root: Path

    @property
    def node_toml(self) -> Path:
        return self.root / "node.toml"

    @property
    def host_key(self) -> Path:
        return self.root / "host_key"

    @property
    def host_key_pub(self) -> Path:
        return self.root / "host_key.pub"

    @property
    def people(self) -> Path:
        return self.root / "people"

    @property
    def people_lock(self) -> Path:
        return self.root / "lock.people"

    def person_key(self, name: str) -> Path:
        return self.people / name / "key.pub"

    @property
    def pythons(self) -> Path:
        return self.root / "pythons"

    @property
    def apps(self) -> Path:
        return self.root / "apps"

    def app(self, name: str) -> AppLayout:
        return AppLayout(self.apps / name)

    def app_names(self) -> list[str]:
        return sorted(name for name in _names(self.apps) if not name.startswith("."))

    @property
    def routes(self) -> Path:
        return self.root / "routes"

    @property
    def routes_lock(self) -> Path:
        return self.root / "lock.routes"

    def route(self, host: str) -> Path:
        """The link of a host name; `*.example.com` lies at `_.example.com`."""
        return self.routes / (f"_{host[1:]}" if host.startswith("*.") else host)

    @property
    def services(self) -> Path:
        return self.root / "services"

    @property
    def postgres(self) -> PostgresLayout:
        return PostgresLayout(self.services / "postgres")

    @property
    def kept(self) -> Path:
        """Dumps of what was destroyed."""
        return self.root / "kept"

    def kept_from(self, app: str, stamp: str, what: str) -> Path:
        """kept/blog-20261122T144504Z-postgres.sql.gz: what is left of an app's database or files."""
        return self.kept / f"{app}-{stamp}-{what}"

    @property
    def run(self) -> Path:
        """Sockets, pipes and pid files of what runs now. May be lost at any time."""
        return self.root / "run"

    @property
    def node_lock(self) -> Path:
        """Held while the node is started or stopped."""
        return self.root / "lock.node"

    @property
    def pids(self) -> Path:
        """One file per process of the node: `PID STARTTIME`."""
        return self.run / "pids"

    @property
    def programs(self) -> Path:
        """The supervisor programs of the node itself."""
        return self.run / "programs"

    @property
    def router_conf(self) -> Path:
        return self.run / "Caddyfile"

    @property
    def router_spec(self) -> Path:
        """What the launcher runs as the router."""
        return self.run / "router.json"

    @property
    def router_home(self) -> Path:
        """Where the router may write."""
        return self.cache / "router"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def program_log(self, name: str) -> Path:
        """What a program of the node itself prints: log/door.log"""
        return self.log / f"{name}.log"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def uv_cache(self) -> Path:
        return self.cache / "uv"

    @property
    def build_env(self) -> Path:
        """The operator's variables for every build: package index, certificates, proxies (0600, dotenv)."""
        return self.root / "build.env"

    @property
    def build_home(self) -> Path:
        """HOME of build steps."""
        return self.cache / "home"

    @property
    def build_programs(self) -> Path:
        """Copies of our programs that lie where the account of pushed code cannot reach them."""
        return self.cache / "bin"

    @property
    def interpreter_probes(self) -> Path:
        """What each interpreter said of itself, so that it is asked once."""
        return self.cache / "interpreters.json"

    @property
    def interpreter_lock(self) -> Path:
        return self.cache / "lock.interpreters"

    @property
    def supervisor_conf(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        return self.run / "supervisor.sock"

    @property
    def holder_socket(self) -> Path:
        return self.run / "holder.sock"

    @property
    def doorman_socket(self) -> Path:
        return self.run / "doorman.sock"

    @property
    def logger_socket(self) -> Path:
        return self.run / "logger.sock"

    @property
    def sessions_socket(self) -> Path:
        """Where the front door hands a session's descriptors to the process that forks workers."""
        return self.run / "sessions.sock"

    def output_pipe(self, program: str) -> Path:
        """The FIFO that a program's output goes into: run/output/blog.web.1.v12.2"""
        return self.run / "output" / program


def _names(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
    except FileNotFoundError:
        return
