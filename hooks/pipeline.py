"""THE STORY of a push, one call a line: lock build, export, provision, detect and build, seal, cut over.

Services come before the build: a Django project may want its DATABASE_URL as soon as `collectstatic` reads settings.

What is refused in here changes no file, process or route of the live release.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dulwich.errors import MissingCommitError
from dulwich.objects import Commit, ObjectID
from dulwich.walk import Walker

from buildpacks.build import BuildRequest, build, choose_slug_id
from buildpacks.export import Exported, export_tree
from buildpacks.processes import Declarations, read_declarations
from buildpacks.provenance import read_provenance
from buildpacks.seal import seal
from buildpacks.virtualenv import collect_unused_venvs
from deploy.app_settings import read_app_settings
from deploy.bindings import linked_variables
from deploy.configuration import read_config
from deploy.cutover import Change, Hooks, Outcome, cut_over
from deploy.freeze import Origin
from deploy.provisioning import provision
from deploy.prune import venv_keys_in_use
from deploy.release import Release, read_live_release
from deploy.start import WEB
from hooks.cancellation import Cancellation
from hooks.changes import ensure_runtime
from hooks.first_formation import hold_first_formation
from hooks.postdeploy import run_postdeploy
from hooks.release_command import run_release_command
from hooks.seeds import seed_config
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.disk import refusing_full_disk
from toppcloud.durations import now_utc, render_age
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.lock import Holder, LockBusy, hold_lock
from toppcloud.node import Node
from toppcloud.slug import Slug, read_slug

_COUNTED_COMMITS = 1000
_BUILDING, _TRYING = "building", "trying"
_TURN_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Delivery:
    """A commit that is to be built and put live."""

    kind: str
    """push or rebuild."""
    by: str
    commit: str
    old_commit: str | None
    """What was there before, to count what is new."""
    store: Any
    """dulwich's object store that can read the commit."""
    leaves_files: bool = False
    checks: bool = True
    uses_cache: bool = True
    is_dry_run: bool = False
    is_gone: Callable[[], bool] = lambda: False
    check_unmoved: Callable[[], None] = lambda: None
    """Asked once the build lock is held: whether the branch is still what the pusher saw."""
    keep_objects: Callable[[], None] = lambda: None
    """Called right before activation: what the release is made from is then in the repository."""
    move_branch: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Built:
    """A slug, and the config vars that it was built with."""

    slug: Slug
    config: dict[str, str]


def deliver(node: Node, app: AppLayout, delivery: Delivery, console: Console) -> Outcome:
    """Build the commit and put it live. Raises ToppcloudError; the old release then serves on."""
    began = time.monotonic()
    cancellation = Cancellation(delivery.is_gone)
    with cancellation.listening(), lock_build(app, delivery, cancellation, console), refusing_full_disk():
        delivery.check_unmoved()
        built = make_slug(node, app, delivery, cancellation, console)
        try:
            with hold_first_formation(app, built.slug, console):
                outcome = put_live(node, app, delivery, built, cancellation, console)
        except BaseException:
            remove_tree(app.slug(built.slug.id).folder)
            raise
        collect_unused_venvs(app, venv_keys_in_use(app))
    tell(node, app, outcome.release, time.monotonic() - began, console)
    return outcome


@contextlib.contextmanager
def lock_build(app: AppLayout, delivery: Delivery, cancellation: Cancellation, console: Console) -> Iterator[None]:
    """One build per app at a time; a second one is told who is building what, since when.

    A dry run waits for its turn, and is waited for: it holds the lock only while it builds.
    """
    doing = f"{_TRYING if delivery.is_dry_run else _BUILDING} {delivery.commit[:7]}"
    deadline = time.monotonic() + _TURN_TIMEOUT_S
    is_waiting = False
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(hold_lock(app.build_lock, by=delivery.by, doing=doing, timeout_s=float(is_waiting)))
                break
            except LockBusy as busy:
                holder = busy.holder
                waits = delivery.is_dry_run or (holder is not None and holder.doing.startswith(_TRYING))
                if not waits or time.monotonic() > deadline:
                    raise ToppcloudError(
                        f"{app.name} is being built already: {_render_holder(holder)}.",
                        "One push at a time; yours was not stored.",
                        f"Wait and push again, or end it: toppcloud builds:cancel -a {app.name}",
                        reason="another build under way",
                    ) from busy
                if not is_waiting:
                    console.step(f"waiting: {_render_holder(holder)}")
                is_waiting = True
                cancellation.raise_if_cancelled()
        yield


def make_slug(
    node: Node,
    app: AppLayout,
    delivery: Delivery,
    cancellation: Cancellation,
    console: Console,
) -> Built:
    """Export the tree, build in it, seal it. Nothing is left of it when one of these fails."""
    layout = app.slug(choose_slug_id(delivery.commit, now_utc()))
    previous = read_live_slug(app)
    layout.folder.mkdir(mode=0o755)

    def equip(declarations: Declarations) -> dict[str, str]:
        provision(node, app, declarations.services(), console)
        seed_config(node, app, declarations.app_json.env, console)
        return read_config(app)

    try:
        built = build_slug(node, app, layout, delivery, previous, equip, cancellation, console)
        seal(layout, built.slug, app.slug(previous.id) if previous else None, node.account)
    except BaseException:
        remove_tree(layout.folder)
        raise
    return built


def read_live_slug(app: AppLayout) -> Slug | None:
    """What the live release was made from; None before the first."""
    live = read_live_release(app)
    return read_slug(app.slug(live.slug)) if live else None


def build_slug(
    node: Node,
    app: AppLayout,
    layout: SlugLayout,
    delivery: Delivery,
    previous: Slug | None,
    equip: Callable[[Declarations], dict[str, str]],
    cancellation: Cancellation,
    console: Console,
) -> Built:
    """Export the tree, `equip` the app with what it declares, build with the config vars that this returns.

    The slug has no record yet.
    """
    commit = delivery.store[delivery.commit.encode()]
    older = app.slug(previous.id) if previous and delivery.uses_cache else None
    exported = export(app, delivery, commit, layout, console, older)
    cancellation.raise_if_cancelled()
    config = equip(read_declarations(layout.source))
    request = BuildRequest(
        node=node,
        app=app,
        slug=layout,
        commit=delivery.commit,
        subject=read_subject(commit),
        environment={**linked_variables(node, app), **config},
        previous=previous,
        is_cancelled=cancellation.reason,
        buildpacks=read_app_settings(app).buildpacks,
        uses_cache=delivery.uses_cache,
        exported=exported,
    )
    slug = build(request, console)
    cancellation.raise_if_cancelled()
    return Built(slug, config)


def export(
    app: AppLayout,
    delivery: Delivery,
    commit: Commit,
    layout: SlugLayout,
    console: Console,
    older: SlugLayout | None = None,
) -> Exported:
    """The commit's tree as files of the slug, links where the older one has them, and a line that says what came."""
    with console.timed_step("") as timed:
        earlier = read_provenance(older) if older else None
        exported = export_tree(delivery.store, commit.tree, layout.source, earlier)
        count = count_commits(delivery)
        files = "file" if exported.files == 1 else "files"
        commits = "" if count is None else f"{count} commit{'' if count == '1' else 's'}, "
        timed.text = f'{app.name}: {commits}{exported.files} {files} ({delivery.commit[:7]} "{read_subject(commit)}")'
    for path in exported.submodules:
        console.warning(f"{path} is a submodule: it is not fetched, and its folder is empty. Commit its files instead.")
    return exported


def put_live(
    node: Node,
    app: AppLayout,
    delivery: Delivery,
    built: Built,
    cancellation: Cancellation,
    console: Console,
) -> Outcome:
    """The cutover, with the newest config: what was set while the build ran is part of it."""

    def choose_config(config: dict[str, str]) -> dict[str, str]:
        changed = sorted(key for key in {*config, *built.config} if config.get(key) != built.config.get(key))
        if changed:
            console.step(f"config changed during the build: {', '.join(changed)} as of now")
        return config

    def prepare(release: Release, slug: Slug) -> None:
        run_release_command(node, app, release, slug, console)

    def prepare_first(release: Release, slug: Slug) -> bool:
        return run_postdeploy(node, app, release, slug, console)

    change = Change(
        origin=Origin(delivery.kind, built.slug.subject, delivery.by),
        choose_slug=lambda _live: built.slug.id,
        choose_config=choose_config,
        checks=delivery.checks,
        leaves_files=delivery.leaves_files,
    )
    hooks = Hooks(
        ensure_runtime=ensure_runtime(node, app, console),
        prepare=prepare,
        prepare_first=prepare_first,
        before_prepare=cancellation.raise_if_cancelled,
        before_activate=delivery.keep_objects,
        after_activate=delivery.move_branch,
    )
    return cut_over(node, app, change, hooks, console)


def tell(node: Node, app: AppLayout, release: Release, seconds: float, console: Console) -> None:
    """What is live now, how to go back, and where it answers: the address is the last line."""
    has_web = WEB in release.processes
    is_visible = has_web or app.release(release.version).public.is_symlink()
    earlier = [n for n in app.release_numbers() if n < release.version and app.release(n).went_live.exists()]
    draining = f", v{earlier[0]} draining" if earlier and has_web else ""
    back = "     back: toppcloud rollback" if earlier else ""
    console.step(f"v{release.version} live{draining}")
    console.line()
    console.line(f"       {seconds:.1f} s{back}")
    url = node.settings.url(app.name)
    console.line(f"       {url}" if is_visible else f"       no web process, so nothing to see at {url}")


def _render_holder(holder: Holder | None) -> str:
    if holder is None:
        return "A build begins"
    return f"{holder.by} is {holder.doing}, since {render_age(holder.since, now_utc())}"


def read_subject(commit: Commit) -> str:
    """The first line of the commit's message, as one that a terminal may be shown: a pusher chooses what it says."""
    text: str = commit.message.decode(errors="replace").strip()
    line = text.splitlines()[0] if text else "(no message)"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[:72]


def count_commits(delivery: Delivery) -> str | None:
    """How many commits are new: `3`, `1000+`, as far as the history goes: a shallow push sends not all."""
    if delivery.kind != "push":
        return None
    exclude = [ObjectID(delivery.old_commit.encode())] if delivery.old_commit else []
    store, tip = delivery.store, ObjectID(delivery.commit.encode())

    def known_parents(commit: Commit) -> list[ObjectID]:
        return [parent for parent in commit.parents if parent in store]

    walker = Walker(store, [tip], exclude=exclude, max_entries=_COUNTED_COMMITS, get_parents=known_parents)
    try:
        count = sum(1 for _ in walker)
    except (KeyError, MissingCommitError):
        return None
    return f"{count}+" if count == _COUNTED_COMMITS else str(count)
