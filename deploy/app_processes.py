"""The processes of an app as people see them: what runs, what sleeps, what waits for its next try, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.app_settings import AppSettings, read_app_settings
from deploy.doorman_client import AppDoor, DoormanClient
from deploy.live_start import AWAKE, SPOKEN_FOR, find_live_key
from deploy.output_log import read_last_lines, shorten_tracebacks
from deploy.process_memory import read_memory_bytes, read_tree
from deploy.release import Release, read_live_release
from deploy.start_key import WEB, StartKey, parse_program_name
from deploy.supervisor import BACKOFF, RUNNING, ProgramState, Supervisor
from toppcloud.app_layout import AppLayout
from toppcloud.idle import choose_idle
from toppcloud.node import Node
from toppcloud.slug import Slug, Web, read_slug

UP, DRAINING, CRASHED, STARTING_UP = "up", "draining", "crashed", "starting"
IDLE_OWN = "ps:idle"
_LINES, _LINES_READ = 5, 200


@dataclass(frozen=True)
class AppProcess:
    """`web.1` of v12. Times are seconds since 1970."""

    process: str
    state: str
    """up; of live web processes: awake, waking, unwell, asleep, stopped. crashed (`next_try` says until when), draining
    (of a release or start before), starting, stopping, exited."""
    release: int
    since: float
    """It was started, or has slept since then; 0 when that is not known."""
    memory_bytes: int = 0
    pid: int | None = None
    children: int = 0
    """Processes below it: gunicorn's workers."""
    spawns: int = 0
    """How often it was started."""
    next_try: float = 0.0
    why: str = ""
    last_lines: tuple[str, ...] = ()
    """What it wrote last, of one that crashed or does not answer."""


@dataclass(frozen=True)
class Idle:
    """After how long without a visit an app sleeps."""

    seconds: float | None
    """None for never."""
    origin: str
    """Who says so: `ps:idle`, `[web] idle` or `idle in node.toml`."""
    awake_for: str
    """The process type that keeps it awake, since it does not sleep with web; else empty."""


@dataclass(frozen=True)
class AppProcesses:
    """All of an app's processes, and what the doorman knows of it; `door` is None before the first release."""

    release: Release | None
    door: AppDoor | None
    idle: Idle
    processes: tuple[AppProcess, ...]


def read_app_processes(node: Node, app: AppLayout) -> AppProcesses:
    """Ask supervisord and the doorman. Raises ToppcloudError when one of them does not answer."""
    release = read_live_release(app)
    slug = read_slug(app.slug(release.slug)) if release else None
    door = DoormanClient(node.layout).states().get(app.name)
    live = find_live_key(node.layout, app.name)
    programs = Supervisor(node.layout).states(prefix=f"{app.name}.")
    return AppProcesses(
        release=release,
        door=door,
        idle=choose_app_idle(node, read_app_settings(app), release, slug),
        processes=tuple(_list_processes(node, app, live, door, programs, slug)),
    )


def read_idle(node: Node, app: AppLayout) -> Idle:
    """What holds for the live release."""
    release = read_live_release(app)
    slug = read_slug(app.slug(release.slug)) if release else None
    return choose_app_idle(node, read_app_settings(app), release, slug)


def choose_app_idle(node: Node, settings: AppSettings, release: Release | None, slug: Slug | None) -> Idle:
    """What `ps:idle`, the release's files and the node say, the first of them that says anything."""
    web = slug.web if slug else Web()
    workers = [name for name in (release.processes if release else ()) if name not in (WEB, *web.sleeps_with)]
    return Idle(
        seconds=choose_idle(settings.idle, web.idle, node.settings.idle),
        origin=IDLE_OWN if settings.idle else "[web] idle" if web.idle else "idle in node.toml",
        awake_for=next((name for name in workers if settings.formation.get(name, 1)), ""),
    )


def _list_processes(
    node: Node,
    app: AppLayout,
    live: StartKey | None,
    door: AppDoor | None,
    programs: Mapping[str, ProgramState],
    slug: Slug | None,
) -> list[AppProcess]:
    rows = []
    known = set()
    for name, state in sorted(programs.items()):
        parsed = parse_program_name(name)
        if parsed and not parsed[1].endswith(".relay"):
            key, process = parsed
            rows.append(_describe(app, key, process, state, door if key == live else None, compare_starts(key, live)))
            known.add((key, process))
    if live and door and door.state not in (AWAKE, *SPOKEN_FOR):
        sleepers = (WEB, *(slug.web.sleeps_with if slug else ()))
        files = sorted(path.stem for path in live.layout(node.layout).folder.glob("*.ini"))
        rows += [
            AppProcess(process, door.state, live.release, door.since)
            for process in files
            if process.split(".")[0] in sleepers and not process.endswith(".relay") and (live, process) not in known
        ]
    return rows


def _describe(
    app: AppLayout, key: StartKey, process: str, state: ProgramState, door: AppDoor | None, age: int
) -> AppProcess:
    process_type = process.split(".")[0]
    word = choose_word(state.state, door.state if door and process_type == WEB else None, age)
    is_well = state.state != BACKOFF and word != "unwell"
    pids = read_tree(state.pid) if state.pid else []
    lines = [] if is_well else read_last_lines(app, key.release, process_type=process_type, count=_LINES_READ)
    return AppProcess(
        process=process,
        state=word,
        release=key.release,
        since=state.started_at,
        memory_bytes=read_memory_bytes(pids),
        pid=state.pid,
        children=max(0, len(pids) - 1),
        spawns=state.spawns,
        next_try=state.next_try if state.state == BACKOFF else 0.0,
        why=door.why if door and not is_well else "",
        last_lines=tuple(shorten_tracebacks(lines)[-_LINES:]),
    )


def choose_word(state: str, door: str | None, age: int) -> str:
    """supervisord's state and the doorman's (of a live web process) in one word. `age`: 0 for what is live, less for
    what came before it, more for what is to be live next."""
    if age < 0:
        return DRAINING
    if state == BACKOFF:
        return CRASHED
    if state != RUNNING:
        return state.lower()
    return STARTING_UP if age else door or UP


def compare_starts(key: StartKey, live: StartKey | None) -> int:
    """-1 for a start before the live one, 0 for itself, 1 for a later one."""
    if live is None:
        return 1
    mine, theirs = (key.release, key.start), (live.release, live.start)
    return (mine > theirs) - (mine < theirs)
