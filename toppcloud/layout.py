"""Where everything lies. Every path of a node is a method of one of these classes, and of nothing else.

ROOT/                         does not move
  node.toml  host_key (0600)  host_key.pub  people/NAME/key.pub
  pythons/                    interpreters that uv fetched
  apps/blog/                  see AppLayout
  routes/HOST -> ../apps/blog the routing table IS this folder; _.example.com is a wildcard
  services/  kept/  run/  log/  cache/  dry-runs/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toppcloud.app_layout import AppLayout, list_names


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
        return sorted(name for name in list_names(self.apps) if not name.startswith("."))

    @property
    def dry_runs(self) -> Path:
        """Of apps that do not exist: see deploy/trial_folder.py."""
        return self.root / "dry-runs"

    def dry_run(self, token: str) -> Path:
        return self.dry_runs / token

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
    def domain(self) -> Path:
        """The domain that the apps' own host names were made for; see deploy/own_hosts.py."""
        return self.root / "domain"

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

    def router_conf(self, router: str) -> Path:
        """The configuration of `caddy` or `nginx`."""
        return self.run / ("nginx.conf" if router == "nginx" else "Caddyfile")

    @property
    def router_spec(self) -> Path:
        """What the launcher runs as the router."""
        return self.run / "router.json"

    @property
    def router_home(self) -> Path:
        """Where the router may write."""
        return self.cache / "router"

    @property
    def router_errors(self) -> Path:
        """Answers of 500 and above, one JSON line each; see deploy/router_errors.py."""
        return self.router_home / "errors.log"

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
    def bytecode_cache(self) -> Path:
        """Bytecode of packages, which virtualenvs share."""
        return self.cache / "bytecode"

    @property
    def npm_cache(self) -> Path:
        """npm's own, for all apps: what it has downloaded, by hash."""
        return self.cache / "npm"

    @property
    def bundler_cache(self) -> Path:
        """Bundler's own, for all apps."""
        return self.cache / "bundler"

    def fetched_buildpack(self, digest: str) -> Path:
        """A classic buildpack as it was last fetched; see buildpacks/fetched_buildpack.py."""
        return self.cache / "buildpacks" / digest

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
    def interpreter_fetch(self) -> Path:
        """What was in ROOT/pythons before the fetch that is under way, or that was killed."""
        return self.pythons / ".fetching"

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
    def doorman_events(self) -> Path:
        """Where supervisord's extension tells the doorman of programs that began or ended."""
        return self.run / "doorman-events.sock"

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
