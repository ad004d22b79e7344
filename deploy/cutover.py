"""From one release to the next: freeze, render, prepare, start, ACTIVATE, settle.

One story for a push, a config change, a service change, a rollback and a rebuild; `restart` shares its tail.
What fails above ACTIVATE refuses and leaves no trace but the record of the failure; what fails below it warns.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deploy.app_settings import AppSettings, read_app_settings
from deploy.bindings import service_variables
from deploy.check import Answer, check_start
from deploy.configuration import apply_changes, read_live_config, read_staged, write_staged
from deploy.doorman_client import DoormanClient
from deploy.kept_files import gather_kept, keep_paths, link_kept, unkeep_paths
from deploy.leaving_files import refuse_leaving_data
from deploy.output_log import read_last_lines
from deploy.prune import prune_releases
from deploy.release import (
    Release,
    ReleaseEnvironment,
    mark_failed,
    mark_live,
    read_live_release,
    read_release,
    take_number,
    write_environment,
    write_release,
)
from deploy.services.postgres_advice import advise_on_output
from deploy.settle import settle
from deploy.start import WEB, Process, Start, program_name, render_start
from deploy.supervisor import Supervisor
from toppcloud.console import Console
from toppcloud.disk import refusing_full_disk
from toppcloud.durations import now_utc, render_iso
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, swap_symlink, write_file
from toppcloud.layout import AppLayout, ReleaseLayout
from toppcloud.lock import Holder, LockBusy, hold_lock
from toppcloud.node import Node
from toppcloud.program import run
from toppcloud.slug import Slug, read_slug

RELEASE_LOCK_TIMEOUT_S = 120.0
_COPY_TIMEOUT_S = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """What the next release is to be made of. The choices are made under the release lock, from the newest state."""

    kind: str
    description: str
    by: str
    choose_slug: Callable[[Release | None], str]
    """The slug's id, given the live release."""
    choose_config: Callable[[dict[str, str]], dict[str, str]]
    """The user config, given the newest one (live with what is staged on top)."""
    takes_staged: bool = True
    """Whether staged values go into this release (a rollback brings its own config and leaves them waiting)."""
    copy_of: int | None = None
    checks: bool = True
    leaves_files: bool = False
    refuses_no_change: bool = False
    """Make no release when config and slug are those of the live one."""


@dataclass(frozen=True)
class Hooks:
    """What happens around a cutover and belongs to the floor above."""

    ensure_runtime: Callable[[Slug], None]
    """Rebuild the slug's virtualenv when it is gone."""
    prepare: Callable[[Release, Slug], None] | None = None
    """The app's release command; None to leave it out."""
    before_prepare: Callable[[], None] = lambda: None
    """The last moment at which a vanished pusher, or builds:cancel, still ends the story (raises Cancelled)."""
    before_activate: Callable[[], None] = lambda: None
    after_activate: Callable[[], None] = lambda: None
    """The branch is moved here (push only)."""


@dataclass(frozen=True)
class Outcome:
    """What a cutover came to."""

    release: Release
    answer: Answer | None
    is_new: bool


def cut_over(node: Node, app: AppLayout, change: Change, hooks: Hooks, console: Console) -> Outcome:
    """Make the release that `change` describes and put it live. Raises ToppcloudError; the old one then serves on."""
    with lock_release(app, by=change.by, doing=change.description, console=console):
        live = read_live_release(app)
        old_config = read_live_config(app)
        staged = read_staged(app) if change.takes_staged else {}
        config = change.choose_config(apply_changes(old_config, staged))
        slug = _require_slug(app, change.choose_slug(live))
        if change.refuses_no_change and live and config == old_config and slug.id == live.slug:
            return Outcome(live, None, is_new=False)
        _refuse_leaving(node, app, live, change, console)
        settings = read_app_settings(app)
        layout = take_number(app)
        newly_kept: list[str] = []
        try:
            with refusing_full_disk():
                hooks.ensure_runtime(slug)
                newly_kept = keep_paths(node, app, slug.kept_paths)
                release = freeze(node, app, layout, slug, config, change, live)
                start = render(node, app, release, slug, settings)
                hooks.before_prepare()
                prepare(release, slug, hooks)
                answer = start_web(node, app, release, slug, start, console, checks=change.checks)
                hooks.before_activate()
        except BaseException as error:
            _advise(app, error, console)
            undo(node, app, layout, error, console)
            unkeep_paths(node, app, newly_kept)
            raise
        activate(app, layout, start)
        _after_activation(node, app, change, hooks, console)
        return Outcome(release, answer, is_new=True)


def restart(
    node: Node, app: AppLayout, ensure_runtime: Callable[[Slug], None], console: Console, *, by: str, checks: bool
) -> Answer | None:
    """A cutover to a new start of the live release: nothing is frozen anew, and no request fails."""
    with lock_release(app, by=by, doing="restarting", console=console):
        release = read_live_release(app)
        if release is None:
            raise ToppcloudError(
                f"{app.name} has nothing to restart.", "It has no release yet.", "git push toppcloud main"
            )
        slug = _require_slug(app, release.slug)
        ensure_runtime(slug)
        start = render(node, app, release, slug, read_app_settings(app))
        try:
            answer = start_web(node, app, release, slug, start, console, checks=checks)
        except BaseException:
            discard_start(node, start)
            raise
        swap_symlink(start.release.web_sock, f"starts/{start.layout.number}/web.sock")
        settle(node, app, console)
        return answer


@contextlib.contextmanager
def lock_release(app: AppLayout, *, by: str, doing: str, console: Console) -> Iterator[None]:
    """The app's release lock. It is held for seconds; who waits for it long is told for whom."""
    try:
        with hold_lock(app.release_lock, by=by, doing=doing, timeout_s=1.0):
            yield
            return
    except LockBusy as busy:
        console.detail(f"waiting for {_render_holder(busy.holder)}")
    try:
        with hold_lock(app.release_lock, by=by, doing=doing, timeout_s=RELEASE_LOCK_TIMEOUT_S):
            yield
    except LockBusy as busy:
        raise ToppcloudError(
            f"Another change of {app.name} is under way: {_render_holder(busy.holder)}.",
            f"It has not ended within {RELEASE_LOCK_TIMEOUT_S:.0f} s. Nothing was changed.",
            "Try again in a moment, or end it: toppcloud builds:cancel",
            reason="another change under way",
        ) from busy


def freeze(
    node: Node,
    app: AppLayout,
    layout: ReleaseLayout,
    slug: Slug,
    config: dict[str, str],
    change: Change,
    live: Release | None,
) -> Release:
    """The release's own copy of everything: config, service variables, process types, source."""
    services = service_variables(node, app)
    links = read_app_settings(app).links
    services |= {name: services[target] for name, target in links.items() if target in services}
    write_environment(layout, ReleaseEnvironment(config, services))
    copy_source(node, app, layout, slug)
    if live is not None:
        gather_kept(app, app.release(live.version).source, node.account)
    link_kept(app, layout.source, read_app_settings(app).kept_files, node.account)
    return Release(
        version=layout.number,
        kind=change.kind,
        description=change.description,
        commit=slug.commit,
        slug=slug.id,
        by=change.by,
        created_at=render_iso(now_utc()),
        processes=slug.processes,
        release_command=slug.release_command,
        copy_of=change.copy_of,
    )


def copy_source(node: Node, app: AppLayout, layout: ReleaseLayout, slug: Slug) -> None:
    """The release's source: files of its own, as the app may write where it stands."""
    run(
        ["cp", "--archive", "--reflink=auto", "--", app.slug(slug.id).source, layout.source],
        timeout_s=_COPY_TIMEOUT_S,
    )
    layout.source.chmod(0o755)
    node.account.own_tree(layout.source)
    layout.tmp.mkdir(mode=0o700, exist_ok=True)
    node.account.own(layout.tmp)


def render(node: Node, app: AppLayout, release: Release, slug: Slug, settings: AppSettings) -> Start:
    """All files of a new start; the release's record last of all."""
    start = render_start(node, app, release, slug, settings)
    if read_release(start.release) is None:
        write_release(start.release, release)
    return start


def prepare(release: Release, slug: Slug, hooks: Hooks) -> None:
    """The app's release command, with the new code and config, before any traffic."""
    if hooks.prepare and release.release_command:
        hooks.prepare(release, slug)


def start_web(
    node: Node, app: AppLayout, release: Release, slug: Slug, start: Start, console: Console, *, checks: bool
) -> Answer | None:
    """Open the start's socket, run its web processes on it and wait until they answer there.

    An app that was stopped by `ps:stop` is not started: its release waits for `ps:start`.
    """
    if WEB not in release.processes:
        return None
    doorman = DoormanClient(node.layout)
    doorman.open_socket(app.name, release.version, start.layout.number)
    is_stopped = read_app_settings(app).stopped
    if is_stopped or not start.web:
        doorman.answer_unavailable(app.name, release.version, start.layout.number)
        console.step(
            "web: not started, since " + ("the app is stopped (ps:start)" if is_stopped else "web is scaled to 0")
        )
        return None
    supervisor = Supervisor(node.layout)
    for process in start.web:
        supervisor.add(start.layout.program(process.process))
        supervisor.start(process.program)
    if not checks:
        console.step("web: started, not checked")
        return None
    with console.timed_step(f"web: {release.processes[WEB]}") as timed:
        answer = check_start(
            node.layout,
            start,
            slug.check,
            host=node.settings.host(app.name),
            timeout_s=slug.check.timeout_s or node.settings.boot_timeout_s,
            start_relay=lambda process: start_relay(node, app, start, process),
            read_output=lambda: read_last_lines(app, release.version, process_type=WEB),
        )
        through = " through its $PORT" if answer.relayed else ""
        timed.text += f"; answered {slug.check.path} with {answer.status}{through}"
    return answer


def start_relay(node: Node, app: AppLayout, start: Start, process: Process) -> None:
    """Run the relay that leads from the socket to the process's own $PORT."""
    name = f"{process.process}.relay"
    start.release.relayed.touch()
    supervisor = Supervisor(node.layout)
    supervisor.add(start.layout.program(name))
    supervisor.start(program_name(app, name, start.release.number, start.layout.number))


def activate(app: AppLayout, layout: ReleaseLayout, start: Start) -> None:
    """The only moment that matters: one rename. Before it the old release serves, after it the new one."""
    swap_symlink(layout.web_sock, f"starts/{start.layout.number}/web.sock")
    swap_symlink(app.current, f"releases/{layout.number}")
    mark_live(layout)


def undo(node: Node, app: AppLayout, layout: ReleaseLayout, error: BaseException, console: Console) -> None:
    """Leave the old release as it was: stop what was started, keep only the record of the failure."""
    try:
        stop_programs(node, app, layout)
        if read_release(layout) is None:
            remove_tree(layout.folder)
            return
        known = (
            error if isinstance(error, ToppcloudError) else ToppcloudError("The node failed.", reason="node failure")
        )
        mark_failed(layout, known)
        shown = [*console.transcript, *known.output, *known.lines()]
        write_file(layout.output, "\n".join(shown) + "\n", mode=0o600)
    except OSError:
        _log.exception("could not clear up after a failed release; the next change will", extra={"app": app.name})


def stop_programs(node: Node, app: AppLayout, layout: ReleaseLayout) -> None:
    """Stop and forget all programs of a release that never went live, and close its sockets."""
    supervisor = Supervisor(node.layout)
    for name in supervisor.states(prefix=f"{app.name}."):
        if f".v{layout.number}." in name:
            supervisor.remove(name)
    if layout.starts.is_dir():
        for path in layout.starts.iterdir():
            DoormanClient(node.layout).close(app.name, layout.number, int(path.name))


def discard_start(node: Node, start: Start) -> None:
    """Stop and forget a start that never served."""
    supervisor = Supervisor(node.layout)
    for name in supervisor.states(prefix=f"{start.app.name}."):
        if name.endswith(f".v{start.release.number}.{start.layout.number}"):
            supervisor.remove(name)
    DoormanClient(node.layout).close(start.app.name, start.release.number, start.layout.number)
    remove_tree(start.layout.folder)


def _after_activation(node: Node, app: AppLayout, change: Change, hooks: Hooks, console: Console) -> None:
    """Nothing in here may refuse: the new release serves."""
    steps: list[tuple[str, Callable[[], None]]] = [
        ("the branch was not moved", hooks.after_activate),
        ("staged config is still there", lambda: write_staged(app, {}) if change.takes_staged else None),
        ("workers and the old release were not settled", lambda: settle(node, app, console)),
        ("old releases were not pruned", lambda: prune_releases(node, app, console)),
    ]
    for consequence, step in steps:
        try:
            step()
        except Exception as error:
            _log.exception("after activation", extra={"app": app.name, "consequence": consequence})
            what = error.what if isinstance(error, ToppcloudError) else str(error)
            console.warning(f"The new release is live, but {consequence}: {what}")


def _refuse_leaving(node: Node, app: AppLayout, live: Release | None, change: Change, console: Console) -> None:
    if live is None:
        return
    slug = read_slug(app.slug(live.slug))
    if slug is None:
        return
    warning = refuse_leaving_data(
        app,
        app.release(live.version),
        slug,
        kept=read_app_settings(app).kept_files,
        may_leave=change.leaves_files,
        kind=change.kind,
    )
    if warning:
        console.warning(warning)


def _advise(app: AppLayout, error: BaseException, console: Console) -> None:
    """Add to a refusal what the app's own lines tell of its services."""
    if isinstance(error, ToppcloudError) and (advice := advise_on_output(app, [*console.transcript, *error.output])):
        error.cure = f"{error.cure}\n{advice}".strip()


def _require_slug(app: AppLayout, slug_id: str) -> Slug:
    slug = read_slug(app.slug(slug_id))
    if slug is None:
        raise ToppcloudError(
            f"The slug {slug_id} of {app.name} is gone.",
            "Its folder was removed, so this release cannot be started again.",
            "Push again, or go back to another release: toppcloud releases",
            reason="slug is gone",
        )
    return slug


def _render_holder(holder: Holder | None) -> str:
    if holder is None:
        return "another change"
    return f"{holder.by}, {holder.doing}, since {render_iso(holder.since)}"
