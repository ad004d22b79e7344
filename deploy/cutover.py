"""From one release to the next: freeze, render, prepare, start, ACTIVATE, settle.

One story for a push, a config change, a service change, a rollback and a rebuild; `restart` shares its tail.
What fails above ACTIVATE refuses and leaves no trace but the record of the failure; what fails below it warns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.app_lock import lock_release
from deploy.app_settings import AppSettings, read_app_settings
from deploy.check import Answer
from deploy.configuration import apply_changes, read_live_config, read_staged, unstage
from deploy.freeze import Origin, freeze
from deploy.kept_files import keep_paths, unkeep_paths
from deploy.leaving_files import refuse_leaving_data
from deploy.live_start import find_live_key
from deploy.memory_budget import remember_start, require_memory
from deploy.open_addresses import warn_of_open_addresses
from deploy.output_log import read_last_lines
from deploy.prune import prune_releases
from deploy.pruning import start_pruning
from deploy.release import (
    Release,
    mark_failed,
    mark_live,
    read_live_release,
    read_release,
    take_number,
    write_release,
)
from deploy.services.postgres_advice import advise_on_output
from deploy.settle import settle
from deploy.start import WEB, Start, find_live_start, render_start, render_workers
from deploy.web import discard_start, start_web, stop_programs
from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.console import Console
from toppcloud.disk import refusing_full_disk
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, swap_symlink, write_file
from toppcloud.node import Node
from toppcloud.slug import Slug, read_slug

_OUTPUT_LINES = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """What the next release is to be made of. The choices are made under the release lock, from the newest state."""

    origin: Origin
    choose_slug: Callable[[Release | None], str]
    """The slug's id, given the live release."""
    choose_config: Callable[[dict[str, str]], dict[str, str]]
    """The user config, given the newest one (live with what is staged on top)."""
    takes_staged: bool = True
    """Whether staged values go into this release (a rollback brings its own config and leaves them waiting)."""
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
    prepare_first: Callable[[Release, Slug], bool] = lambda _release, _slug: False
    """After it, when nothing is live yet: the postdeploy script of app.json. Whether there was one to run."""
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
    with lock_release(app, by=change.origin.by, doing=change.origin.description, console=console):
        live = read_live_release(app)
        old_config = read_live_config(app)
        staged = read_staged(app) if change.takes_staged else {}
        config = change.choose_config(apply_changes(old_config, staged))
        slug = _require_slug(app, change.choose_slug(live))
        if change.refuses_no_change and live and config == old_config and slug.id == live.slug:
            return Outcome(live, None, is_new=False)
        if live and staged:
            console.step(f"config that waited goes in: {', '.join(sorted(staged))}")
        _refuse_leaving(node, app, live, change, console)
        if change.checks:
            override = "git push -o no-check" if change.origin.kind == "push" else "--no-check"
            require_memory(node, app, find_live_key(node.layout, app.name), slug.processes, override=override)
        layout = take_number(app)
        newly_kept: list[str] = []
        prepared: list[str] = []
        try:
            with refusing_full_disk():
                hooks.ensure_runtime(slug)
                newly_kept = keep_paths(node, app, slug.kept_paths)
                release = freeze(node, app, layout, slug, config, live, change.origin)
                start = render(node, app, release, slug, read_app_settings(app))
                hooks.before_prepare()
                if prepare(release, slug, hooks):
                    prepared.append("release command")
                if live is None and hooks.prepare_first(release, slug):
                    prepared.append("postdeploy script")
                answer = start_web(node, app, release, slug, start, console, checks=change.checks)
                hooks.before_activate()
        except BaseException as error:
            _advise(app, error, console, prepared)
            undo(node, app, layout, error, console)
            unkeep_paths(node, app, newly_kept)
            raise
        activate(app, layout, start)
        _after_activation(node, app, start, staged, hooks, console, is_up=answer is not None)
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
        if checks:
            live = find_live_key(node.layout, app.name)
            require_memory(node, app, live, release.processes, override="--no-check")
        ensure_runtime(slug)
        start = render(node, app, release, slug, read_app_settings(app))
        try:
            answer = start_web(node, app, release, slug, start, console, checks=checks)
        except BaseException:
            discard_start(node, start)
            raise
        swap_symlink(start.release.web_sock, f"starts/{start.layout.number}/web.sock")
        settle(node, app, console, is_up=answer is not None)
        warn_of_open_addresses(node.layout, start.web, console)
        remember_start(node, app)
        return answer


def scale_workers(node: Node, app: AppLayout, console: Console, *, by: str, checks: bool) -> None:
    """Let the live start have as many workers as are wanted now. Nothing happens to web, nor to those that stay."""
    with lock_release(app, by=by, doing="scaling", console=console):
        release = read_live_release(app)
        start = find_live_start(app.release(release.version)) if release else None
        if release is None or start is None:
            return
        settings = read_app_settings(app)
        workers = [name for name in release.processes if name != WEB]
        if checks:
            require_memory(node, app, find_live_key(node.layout, app.name), workers, override="--no-check")
        render_workers(node, app, release, _require_slug(app, release.slug), settings, start)
        settle(node, app, console)
        remember_start(node, app)


def render(node: Node, app: AppLayout, release: Release, slug: Slug, settings: AppSettings) -> Start:
    """All files of a new start; the release's record last of all."""
    start = render_start(node, app, release, slug, settings)
    if read_release(start.release) is None:
        write_release(start.release, release)
    return start


def prepare(release: Release, slug: Slug, hooks: Hooks) -> bool:
    """The app's release command, with the new code and config, before any traffic. Whether there was one to run."""
    if hooks.prepare is None or not release.release_command:
        return False
    hooks.prepare(release, slug)
    return True


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
        written = read_last_lines(app, layout.number, process_type=WEB, count=_OUTPUT_LINES)
        _write_output(layout, [*console.transcript, *(written or known.output), *known.lines()])
    except OSError:
        _log.exception("could not clear up after a failed release; the next change will", extra={"app": app.name})


def _after_activation(
    node: Node,
    app: AppLayout,
    start: Start,
    staged: Mapping[str, str | None],
    hooks: Hooks,
    console: Console,
    *,
    is_up: bool,
) -> None:
    """Nothing in here may refuse: the new release serves. `staged` is what it took of the staged config."""
    steps: list[tuple[str, Callable[[], None]]] = [
        ("the branch was not moved", hooks.after_activate),
        ("staged config is still there", lambda: unstage(app, staged) if staged else None),
        ("workers and the old release were not settled", lambda: settle(node, app, console, is_up=is_up)),
        ("nobody looked who else can reach it", lambda: warn_of_open_addresses(node.layout, start.web, console)),
        ("its memory was not measured", lambda: remember_start(node, app)),
        ("what was said is not kept", lambda: _write_output(start.release, console.transcript)),
        ("old releases were not pruned", lambda: _prune(node, app, console)),
    ]
    for consequence, step in steps:
        try:
            step()
        except Exception as error:
            _log.exception("after activation", extra={"app": app.name, "consequence": consequence})
            what = error.what if isinstance(error, ToppcloudError) else str(error)
            console.warning(f"The new release is live, but {consequence}: {what}")


def _prune(node: Node, app: AppLayout, console: Console) -> None:
    """What would take long goes after the answer. What still drains goes then, too: see doorman."""
    if prune_releases(node, app, console):
        start_pruning(node.layout, app.name)


def _write_output(layout: ReleaseLayout, lines: list[str]) -> None:
    write_file(layout.output, "\n".join(lines) + "\n", mode=0o600)


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
        kind=change.origin.kind,
    )
    if warning:
        console.warning(warning)


def _advise(app: AppLayout, error: BaseException, console: Console, prepared: Sequence[str]) -> None:
    """Add to a refusal what the person must know of the database, and what the app's own lines tell of its services."""
    if not isinstance(error, ToppcloudError):
        return
    if prepared:
        error.why = f"{error.why}\nIts {' and '.join(prepared)} had run: the database is as that left it.".strip()
    if advice := advise_on_output(app, [*console.transcript, *error.output]):
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
