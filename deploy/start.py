"""A start: one run of a release's processes, rendered into `releases/12/starts/2/`.

Web processes share one listening socket, which the doorman opens. Each process has a $PORT of its own, which the
launcher chooses at each run; programs that cannot take a socket are reached through it.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.app_settings import AppSettings
from deploy.command_text import CommandText, find_gunicorn_config, parse_command, scales_by_workers
from deploy.environment import ProcessIdentity, build_environment
from deploy.profile import leaves_processes, with_profile
from deploy.release import Release, read_environment
from deploy.render import render_gunicorn_conf, render_program
from deploy.runner import Place, choose_runner, choose_worker_runner
from deploy.start_key import StartKey, key_of_folder
from toppcloud.app_layout import AppLayout, ReleaseLayout, StartLayout
from toppcloud.files import write_file, write_json
from toppcloud.node import Node
from toppcloud.slug import Slug

WEB = "web"
_LAUNCHER = Path(__file__).with_name("launcher.py")
_RELAY = Path(__file__).with_name("relay.py")
STOP_MARGIN_S = 2  # supervisord waits a little longer than gunicorn's own limit


@dataclass(frozen=True)
class Process:
    """One process of a start: `web.1` of v12, start 2."""

    process: str
    program: str
    """supervisord's name for it: `blog.web.1.v12.2`."""

    @property
    def process_type(self) -> str:
        return self.process.rpartition(".")[0]


@dataclass(frozen=True)
class Start:
    """A rendered start."""

    app: AppLayout
    release: ReleaseLayout
    layout: StartLayout
    processes: tuple[Process, ...]

    @property
    def web(self) -> tuple[Process, ...]:
        return tuple(process for process in self.processes if process.process_type == WEB)

    @property
    def key(self) -> StartKey:
        return StartKey(self.app.name, self.release.number, self.layout.number)


def choose_formation(release: Release, settings: AppSettings) -> dict[str, int]:
    """How many of each process type of this release run: what was scaled, else one."""
    return {name: settings.formation.get(name, 1) for name in release.processes}


def program_name(app: AppLayout, process: str, release: int, start: int) -> str:
    """`blog.web.1.v12.2`. An app's name has no dot, so `blog.` is the prefix of blog's programs only."""
    return f"{app.name}.{process}.v{release}.{start}"


def next_start(release: ReleaseLayout) -> StartLayout:
    """A folder for another start of this release."""
    release.starts.mkdir(mode=0o755, exist_ok=True)
    taken = [int(path.name) for path in release.starts.iterdir() if path.name.isdigit()]
    start = release.start(max((*taken, 0)) + 1)
    start.folder.mkdir(mode=0o755)
    return start


def find_live_start(release: ReleaseLayout) -> StartLayout | None:
    """The start that `web.sock` of the release points into, or None."""
    try:
        target = release.web_sock.readlink()
    except FileNotFoundError:
        return None
    return release.start(int(target.parent.name))


def render_start(node: Node, app: AppLayout, release: Release, slug: Slug, settings: AppSettings) -> Start:
    """Write all files of a new start. The socket is not opened and nothing runs yet."""
    layout = app.release(release.version)
    start_layout = next_start(layout)
    return _Renderer(node, app, layout, start_layout, release, slug, settings).render()


def render_workers(
    node: Node, app: AppLayout, release: Release, slug: Slug, settings: AppSettings, start: StartLayout
) -> None:
    """Write the files of a start's workers as they are scaled now: of all that are wanted, and of no others."""
    renderer = _Renderer(node, app, app.release(release.version), start, release, slug, settings)
    wanted = renderer.render_workers()
    for path in start.folder.glob("*.ini"):
        if path.stem not in wanted and path.stem.split(".", 1)[0] != WEB:
            path.unlink()
            start.spec(path.stem).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Renderer:
    node: Node
    app: AppLayout
    release_layout: ReleaseLayout
    start_layout: StartLayout
    release: Release
    slug: Slug
    settings: AppSettings

    def render(self) -> Start:
        formation = choose_formation(self.release, self.settings)
        variables = read_environment(self.release_layout).merged()
        processes = [
            self._render_process(process_type, index, parse_command(self.release.processes[process_type]))
            for process_type, count in formation.items()
            for index in range(1, self._count_programs(process_type, count, variables) + 1)
        ]
        return Start(self.app, self.release_layout, self.start_layout, tuple(processes))

    def render_workers(self) -> set[str]:
        """Those that are not there yet; returns the names of all: {"worker.1", "worker.2"}."""
        wanted = set()
        for process_type, count in choose_formation(self.release, self.settings).items():
            command = parse_command(self.release.processes[process_type])
            for index in range(1, count + 1) if process_type != WEB else ():
                name = f"{process_type}.{index}"
                wanted.add(name)
                if not self.start_layout.program(name).exists():
                    self._render_process(process_type, index, command)
        return wanted

    def _count_programs(self, process_type: str, count: int, variables: Mapping[str, str]) -> int:
        """One gunicorn with more workers takes less memory than several of them; see docs/decisions/scale.md."""
        command = parse_command(self.release.processes[process_type])
        by_workers = process_type == WEB and scales_by_workers(command, variables.get("GUNICORN_CMD_ARGS", ""))
        return min(count, 1) if by_workers else count

    def _render_process(self, process_type: str, index: int, command: CommandText) -> Process:
        name = f"{process_type}.{index}"
        process = Process(name, self._program(name))
        environment = process_environment(self.node, self.app, self.release, self.slug, self.settings, name)
        is_web = process_type == WEB
        extra = self._render_gunicorn(command, environment) if is_web else ()
        place = self._place(process)
        runner = choose_runner(command, place, extra) if is_web else choose_worker_runner(command, place)
        for file, text in runner.files.items():
            write_file(self.start_layout.folder / file, text, is_durable=False)
        spec = self._spec(process, {**runner.environment, **environment}, has_socket=is_web and runner.takes_socket)
        argv = with_profile(place.source, runner.argv)
        write_json(self.start_layout.spec(name), {**spec, "argv": argv}, mode=0o600, is_durable=False)
        stops_group = runner.stops_group or leaves_processes(place.source)
        self._write_program(name, _LAUNCHER, stop_group=stops_group, stop_signal=runner.stop_signal)
        if is_web:
            self._render_relay(process)
        return process

    def _render_gunicorn(self, command: CommandText, environment: dict[str, str]) -> tuple[str, ...]:
        """Let gunicorn read our configuration: by its variable, or behind its own --config, which it then includes."""
        own = find_gunicorn_config(command) if command.program == "gunicorn" else None
        default = self.release_layout.source / "gunicorn.conf.py"
        included = own or (str(default) if default.is_file() else None)
        if own and not own.startswith("python:"):
            included = str(self.release_layout.source / own.removeprefix("file:"))
        given = environment.get("GUNICORN_CMD_ARGS", "")
        conf = render_gunicorn_conf(
            self._program(WEB),
            app_config=included,
            drain_s=self.node.settings.drain_timeout_s,
            times=self.settings.formation.get(WEB, 1) if scales_by_workers(command, given) else 1,
        )
        write_file(self.start_layout.gunicorn_conf, conf, is_durable=False)
        arguments = ("--config", str(self.start_layout.gunicorn_conf))
        environment["GUNICORN_CMD_ARGS"] = f"{shlex.join(arguments)} {given}".strip()
        return arguments if own else ()

    def _render_relay(self, process: Process) -> None:
        name = f"{process.process}.relay"
        spec = self._spec(Process(name, self._program(name)), {}, has_socket=True)
        of_program = {"port_file": str(self.start_layout.port_file(process.process))}
        write_json(self.start_layout.spec(name), {**spec, **of_program}, mode=0o600, is_durable=False)
        self._write_program(name, _RELAY, stop_group=False)

    def _write_program(self, name: str, script: Path, *, stop_group: bool, stop_signal: str = "TERM") -> None:
        argv = (sys.executable, "-I", "-S", str(script), str(self.start_layout.spec(name)))
        drain_s = self.node.settings.drain_timeout_s + STOP_MARGIN_S
        ini = render_program(self._program(name), argv, drain_s=drain_s, stop_group=stop_group, stop_signal=stop_signal)
        write_file(self.start_layout.program(name), ini, is_durable=False)

    def _place(self, process: Process) -> Place:
        return Place(
            program=process.program,
            source=self.release_layout.source,
            folder=self.start_layout.folder,
            tmp=self.release_layout.tmp,
            venv=find_venv(self.app, self.slug),
            python_version=self.slug.python_version,
        )

    def _spec(self, process: Process, environment: Mapping[str, str], *, has_socket: bool) -> dict[str, Any]:
        account = self.node.account
        return {
            "program": process.program,
            "env": dict(environment),
            "cwd": str(self.release_layout.source),
            "uid": None if account.is_self else account.uid,
            "gid": None if account.is_self else account.gid,
            "socket": key_of_folder(self.start_layout.folder).name if has_socket else None,
            "output": str(self.node.layout.output_pipe(process.program)),
            "label": {"app": self.app.name, "process": process.process, "release": self.release.version},
            "umask": 0o022,
            "root": str(self.node.layout.root),
            "port_file": str(self.start_layout.port_file(process.process)),
        }

    def _program(self, name: str) -> str:
        return program_name(self.app, name, self.release_layout.number, self.start_layout.number)


def process_environment(
    node: Node,
    app: AppLayout,
    release: Release,
    slug: Slug,
    settings: AppSettings,
    process: str,
    port: int | None = None,
) -> dict[str, str]:
    """The whole environment of one process of a frozen release."""
    layout = app.release(release.version)
    return build_environment(
        ProcessIdentity(app, layout, process, release.commit),
        variables=read_environment(layout).merged(),
        venv=find_venv(app, slug),
        runtime=slug.environment,
        paths=slug.paths,
        port=port,
        keeps_files=bool(settings.kept_files),
    )


def find_venv(app: AppLayout, slug: Slug) -> Path | None:
    """The virtualenv that the slug runs in: where its link leads. One that was made again may have another key."""
    link = app.slug(slug.id).venv
    return link.resolve() if link.is_symlink() else None
