"""Releases that need no build: config changes, service changes, rollbacks, restarts. All share the cutover."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from buildpacks.rebuild import rebuild_venv
from deploy.answers import UNAVAILABLE
from deploy.app_settings import AppSettings, edit_app_settings, update_app_settings
from deploy.bindings import service_variables
from deploy.check import Answer
from deploy.configuration import apply_changes, read_config, stage
from deploy.cutover import Change, Hooks, Outcome, cut_over, restart
from deploy.doorman_client import DoormanClient
from deploy.freeze import Origin
from deploy.public_files import hide_files
from deploy.release import Release, read_environment, require_live_release
from deploy.settle import parse_program
from deploy.start import WEB, find_live_start
from deploy.start_key import StartKey
from deploy.supervisor import Supervisor
from hooks.release_command import run_release_command
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.node import Node
from toppcloud.slug import Slug, read_slug


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the person said beside the change itself."""

    by: str
    checks: bool = True
    leaves_files: bool = False
    runs_release_command: bool = True


def change_config(
    node: Node, app: AppLayout, changes: Mapping[str, str | None], wishes: Wishes, console: Console
) -> Outcome | None:
    """Set and unset config vars in one release. None when the app has no release yet: they wait for its first."""
    if app.live_number() is None:
        stage(app, changes)
        return None
    change = Change(
        origin=Origin("config", describe_config(changes), wishes.by),
        choose_slug=_keep_slug,
        choose_config=lambda config: apply_changes(config, changes),
        checks=wishes.checks,
        leaves_files=wishes.leaves_files,
        refuses_no_change=True,
    )
    return cut_over(node, app, change, _hooks(node, app, wishes, console), console)


def describe_config(changes: Mapping[str, str | None]) -> str:
    """`SENTRY_DSN, STRIPE_KEY set; DEBUG unset`"""
    parts = []
    for word, names in (
        ("set", [key for key, value in changes.items() if value is not None]),
        ("unset", [key for key, value in changes.items() if value is None]),
    ):
        if names:
            parts.append(f"{', '.join(sorted(names))} {word}")
    return "; ".join(parts)


def release_service_change(
    node: Node, app: AppLayout, description: str, wishes: Wishes, console: Console, *, refuses_no_change: bool = False
) -> Outcome | None:
    """A release with the service variables as they are now. None when the app has no release yet."""
    if app.live_number() is None:
        return None
    change = Change(
        origin=Origin("service", description, wishes.by),
        choose_slug=_keep_slug,
        choose_config=dict,
        checks=wishes.checks,
        leaves_files=wishes.leaves_files,
        refuses_no_change=refuses_no_change,
    )
    return cut_over(node, app, change, _hooks(node, app, wishes, console), console)


def link_config(
    node: Node, app: AppLayout, links: Mapping[str, str], wishes: Wishes, console: Console
) -> Outcome | None:
    """Let config vars follow service variables. A refused release takes the links back."""
    variables = service_variables(node, app)
    config = read_config(app)
    for name, target in links.items():
        if target not in variables:
            raise ToppcloudError(
                f"No service of {app.name} gives {target}.{suggest_nearest(target, variables)}",
                "A link follows a service variable.",
                "See: toppcloud services:info postgres",
            )
        if name in config:
            raise ToppcloudError(
                f"{name} is a config var already, and would win over the link.", "", f"toppcloud config:unset {name}"
            )
    return _edit_links(node, app, lambda old: {**old, **links}, _describe_links(links), wishes, console)


def unlink_config(
    node: Node, app: AppLayout, names: tuple[str, ...], wishes: Wishes, console: Console
) -> Outcome | None:
    """Take links away. A refused release brings them back."""
    return _edit_links(
        node,
        app,
        lambda old: {name: target for name, target in old.items() if name not in names},
        f"{', '.join(names)} unlinked",
        wishes,
        console,
    )


def roll_back(
    node: Node,
    app: AppLayout,
    target: Release,
    wishes: Wishes,
    console: Console,
    *,
    leaving: int | None = None,
    why: str = "",
) -> Outcome:
    """A new release with the slug and the user config of `target`; services as they are now.

    With `leaving` only while that release is live: refused when another change was quicker.
    """
    config = dict(read_environment(app.release(target.version)).config)

    def choose_slug(live: Release | None) -> str:
        if leaving is not None and (live is None or live.version != leaving):
            raise ToppcloudError(f"v{leaving} is not live any more.", "Another change was quicker.")
        return target.slug

    description = f"back to v{target.version}" + (f": {why}" if why else "")
    change = Change(
        origin=Origin("rollback", description, wishes.by, copy_of=target.version),
        choose_slug=choose_slug,
        choose_config=lambda _config: config,
        takes_staged=False,
        checks=wishes.checks,
        leaves_files=wishes.leaves_files,
    )
    return cut_over(node, app, change, _hooks(node, app, wishes, console), console)


def restart_app(node: Node, app: AppLayout, wishes: Wishes, console: Console) -> Answer | None:
    """The live release's processes anew, without a failed request."""
    hooks = _hooks(node, app, wishes, console)
    if wishes.runs_release_command:
        release = require_live_release(app)
        if release.release_command:
            run_release_command(node, app, release, _require_live_slug(app, release), console)
    return restart(node, app, hooks.ensure_runtime, console, by=wishes.by, checks=wishes.checks)


def stop_processes(node: Node, app: AppLayout) -> None:
    """Let the doorman answer 503 for the app, then end its web processes. Workers end in `settle`."""
    release = require_live_release(app)
    start = find_live_start(app.release(release.version))
    if start is None:
        return
    is_site = app.release(release.version).public.is_symlink() and WEB not in release.processes
    hide_files(app.release(release.version))
    if is_site:
        start.page.unlink(missing_ok=True)  # what it says of a missing file
    if WEB in release.processes or is_site:
        DoormanClient(node.layout).answer(app.name, release.version, start.number, status=UNAVAILABLE)
    supervisor = Supervisor(node.layout)
    for name in supervisor.states(prefix=f"{app.name}."):
        program = parse_program(name)
        if program and program.process_type == WEB and program.key == StartKey(app.name, release.version, start.number):
            supervisor.remove(name)


def start_app(node: Node, app: AppLayout, wishes: Wishes, console: Console) -> None:
    """Undo `ps:stop`: a new start of the live release. It stays stopped when that start does not answer."""
    update_app_settings(app, stopped=False)
    try:
        restart_app(node, app, wishes, console)
    except BaseException:
        update_app_settings(app, stopped=True)
        raise


def ensure_runtime(node: Node, app: AppLayout, console: Console) -> Callable[[Slug], None]:
    """What a cutover calls before it starts anything: the virtualenv, built again when it is gone."""

    def ensure(slug: Slug) -> None:
        rebuild_venv(node, app, slug, app.slug(slug.id), console, read_config(app))

    return ensure


def _require_live_slug(app: AppLayout, release: Release) -> Slug:
    slug = read_slug(app.slug(release.slug))
    if slug is None:
        raise ToppcloudError(f"The slug of v{release.version} is gone.", "", "Push again.")
    return slug


def _hooks(node: Node, app: AppLayout, wishes: Wishes, console: Console) -> Hooks:
    def prepare(release: Release, slug: Slug) -> None:
        run_release_command(node, app, release, slug, console)

    return Hooks(
        ensure_runtime=ensure_runtime(node, app, console), prepare=prepare if wishes.runs_release_command else None
    )


def _edit_links(
    node: Node,
    app: AppLayout,
    edit: Callable[[dict[str, str]], dict[str, str]],
    description: str,
    wishes: Wishes,
    console: Console,
) -> Outcome | None:
    before: dict[str, str] = {}

    def apply(settings: AppSettings) -> AppSettings:
        before.update(settings.links)
        return dataclasses.replace(settings, links=edit(settings.links))

    edit_app_settings(app, apply)
    try:
        return release_service_change(node, app, description, wishes, console)
    except BaseException:
        edit_app_settings(app, lambda settings: dataclasses.replace(settings, links=before))
        raise


def _describe_links(links: Mapping[str, str]) -> str:
    return ", ".join(f"{name} follows {target}" for name, target in links.items())


def _keep_slug(live: Release | None) -> str:
    assert live is not None  # looked at before, and releases are never taken back
    return live.slug
