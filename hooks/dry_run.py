"""THE STORY of a dry run: build as a push does, start the web process where nobody sees it, ask it, throw all away.

No release is numbered, no release command runs, no service is made, no worker starts, nothing of git is stored. What
may stay is what a build caches: a virtualenv, until the next build finds that nothing uses it.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from buildpacks.manifest import read_manifest
from buildpacks.processes import Declarations
from buildpacks.virtualenv import collect_unused_venvs
from deploy.app_settings import read_app_settings
from deploy.bindings import read_bindings
from deploy.configuration import read_config
from deploy.kept_files import list_kept
from deploy.leaving_files import refuse_leaving_data
from deploy.live_start import find_live_key
from deploy.memory_budget import require_memory
from deploy.prune import venv_keys_in_use
from deploy.release import read_live_release
from deploy.services.registry import require_service
from deploy.services.service import BindingState
from deploy.start import WEB
from deploy.trial import CURE, NotUp, TrialAnswer, try_web
from deploy.trial_folder import TrialFolder
from hooks.cancellation import Cancellation
from hooks.pipeline import Delivery, build_slug, lock_build, read_live_slug
from hooks.postdeploy import is_pending
from hooks.seeds import find_seeds, refuse_missing
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.disk import refusing_full_disk
from toppcloud.durations import render_size
from toppcloud.errors import ToppcloudError
from toppcloud.files import size_of_tree
from toppcloud.node import Node
from toppcloud.slug import ServiceDeclaration, Slug, read_slug


@dataclass(frozen=True)
class Tried:
    """What a dry run came to."""

    slug: Slug
    size: SlugSize
    answer: TrialAnswer | None
    """None: nothing was started."""
    missing: tuple[str, ...]
    """Services that a push would make."""
    unseen: tuple[str, ...] = ()
    """Kept files that hold something, which what is tried does not see."""

    @property
    def undecided(self) -> str:
        """Why an answer of 500 and above is no refusal: `the release command (...) did not run`. Else empty."""
        if self.answer is None or self.answer.status < 500:
            return ""
        return describe_undone(self.slug, self.missing, self.unseen)


@dataclass(frozen=True)
class SlugSize:
    """Of the source as built, without bytecode: what a release would add to the disk, and all of it."""

    added_bytes: int
    total_bytes: int


def try_delivery(node: Node, folder: TrialFolder, delivery: Delivery, source: str, console: Console) -> None:
    """Build the commit and see whether it would go live. Raises ToppcloudError when it would not.

    `source` is what to push so that it does: `main`, `feature:main`.
    """
    began = time.monotonic()
    app = folder.app
    cancellation = Cancellation(delivery.is_gone)
    with cancellation.listening(), refusing_full_disk():
        console.step(f"dry run of {source.partition(':')[0]}: nothing of {app.name} changes")
        previous = read_live_slug(app)
        missing: list[str] = []

        def announce(declarations: Declarations) -> dict[str, str]:
            missing.extend(find_missing(app, declarations.services()))
            for name in missing:
                console.step(f"{name} would be made; this run has no variables of it")
            return {**read_config(app), **announce_seeds(node, app, declarations, missing, console)}

        since = choose_since(app, delivery)
        with lock_build(app, since, cancellation, console):
            built = build_slug(node, app, folder.slug, since, previous, announce, cancellation, console)
            collect_unused_venvs(app, venv_keys_in_use(app))
        size = measure_slug(folder.slug, app.slug(previous.id) if previous else None)
        refuse_leaving(app, delivery, console)
        slug = built.slug if is_pending(app, built.slug) else dataclasses.replace(built.slug, postdeploy=None)
        try:
            answer = start_web(node, folder, slug, built.config, delivery, cancellation, console)
        except NotUp as error:
            if undone := describe_undone(slug, missing, find_unseen(app)):
                error.why = f"{error.why}\nPerhaps because {undone}."
            raise
    tried = Tried(slug, size, answer, tuple(missing), find_unseen(app))
    refuse_failure(tried)
    tell(folder, tried, source, time.monotonic() - began, console)


def choose_since(app: AppLayout, delivery: Delivery) -> Delivery:
    """Commits of a branch that is new here are counted from what is live."""
    live = read_live_release(app)
    if delivery.old_commit or live is None or live.commit.encode() not in delivery.store:
        return delivery
    return dataclasses.replace(delivery, old_commit=live.commit)


def find_missing(app: AppLayout, declared: Iterable[ServiceDeclaration]) -> list[str]:
    """Names of declared services that the app does not have. Raises ToppcloudError for one that nobody knows."""
    ready = {name for name, binding in read_bindings(app).items() if binding.state is BindingState.READY}
    return [name for name in (require_service(one.name).name for one in declared) if name not in ready]


def refuse_leaving(app: AppLayout, delivery: Delivery, console: Console) -> None:
    """What a push would say of files that the live release has written."""
    live = read_live_release(app)
    slug = read_slug(app.slug(live.slug)) if live else None
    if live is None or slug is None:
        return
    kept = read_app_settings(app).kept_files
    warning = refuse_leaving_data(app, app.release(live.version), slug, kept=kept, may_leave=delivery.leaves_files)
    if warning:
        console.warning(warning)


def find_unseen(app: AppLayout) -> tuple[str, ...]:
    """Kept paths with something in them: a dry run starts without."""
    return tuple(file.path for file in list_kept(app) if file.size_bytes)


def describe_undone(slug: Slug, missing: Sequence[str], unseen: Sequence[str]) -> str:
    """`the release command (python migrate.py) did not run`: why what works after a push may not work here."""
    reasons = []
    if slug.release_command:
        reasons.append(f"the release command ({slug.release_command}) did not run")
    if slug.postdeploy:
        reasons.append(f"the postdeploy script ({slug.postdeploy}) did not run")
    if missing:
        reasons.append(f"{' and '.join(missing)} is not there yet")
    if unseen:
        reasons.append(f"the kept files ({', '.join(unseen)}) are left out of a dry run")
    return ", and ".join(reasons)


def announce_seeds(
    node: Node, app: AppLayout, declarations: Declarations, missing: list[str], console: Console
) -> dict[str, str]:
    """Config vars that a push would give the app. Raises ToppcloudError for required ones, unless a `missing` service
    may be what gives them."""
    seeds = find_seeds(node, app, declarations.app_json.env)
    if missing and seeds.missing:
        names = ", ".join(entry.name for entry in seeds.missing)
        console.warning(f"app.json requires {names}: not set, unless {' or '.join(missing)} gives it.")
    else:
        refuse_missing(app, seeds)
    if seeds.values:
        console.step(f"app.json: {', '.join(sorted(seeds.values))} would be set; this run has a value of its own")
    return seeds.values


def measure_slug(layout: SlugLayout, previous: SlugLayout | None) -> SlugSize:
    """A release shares with the one before it the files that are equal."""
    older = read_manifest(previous.manifest).files if previous else {}
    added = total = 0
    for path, digest in read_manifest(layout.manifest).files.items():
        size = os.lstat(os.path.join(os.fsencode(layout.source), path)).st_size  # noqa: PTH118 - bytes
        total += size
        added += size if older.get(path) != digest else 0
    private = size_of_tree(layout.private_venv) if layout.private_venv.is_dir() else 0
    return SlugSize(added + private, total + private)


def start_web(
    node: Node,
    folder: TrialFolder,
    slug: Slug,
    config: dict[str, str],
    delivery: Delivery,
    cancellation: Cancellation,
    console: Console,
) -> TrialAnswer | None:
    """Run the web process apart and ask it. None when there is none, or nobody wants it."""
    command = slug.processes.get(WEB)
    if command is None:
        console.step("no web process, so nothing was started")
        return None
    if not delivery.checks:
        console.step(f"web: {command}; not started (no-check)")
        return None
    live = find_live_key(node.layout, folder.app.name)
    require_memory(node, folder.app, live, [WEB], override="-o no-check, which builds and starts nothing")
    with console.timed_step(f"web: {command}") as timed:
        answer = try_web(node, folder.trial, slug, config, by=delivery.by, is_cancelled=cancellation.reason)
        through = " through its $PORT" if answer.relayed else ""
        timed.text += f"; answered {slug.check.path} with {answer.status}{through}"
    return answer


def refuse_failure(tried: Tried) -> None:
    """Raises ToppcloudError for an answer with which a push would be refused, whatever a release command does."""
    answer = tried.answer
    if answer is None or answer.status < 500 or tried.undecided:
        return
    path = tried.slug.check.path
    raise ToppcloudError(
        f"It would not go live: it answered {path} with {answer.status}.",
        "It was asked on a socket of its own. Nothing was changed.",
        CURE.again,
        reason=f"health check answered {answer.status}",
        output=answer.output,
    )


def tell(folder: TrialFolder, tried: Tried, source: str, seconds: float, console: Console) -> None:
    """What would happen, what was not done, what it takes, and the line that does it."""
    slug, answer = tried.slug, tried.answer
    if answer and answer.secure_location:
        console.warning(f"{slug.check.path} leads to {answer.secure_location}, and this node may have no https.")
    if tried.undecided and answer:
        for line in answer.output:
            console.detail(line)
        console.warning(f"undecided: {slug.check.path} answered {answer.status}, but {tried.undecided}.")
    is_unasked = answer is None and WEB in slug.processes
    verdict = "undecided" if tried.undecided else "it was built" if is_unasked else "it would go live"
    console.line()
    console.line(f"       dry run: {verdict}. Nothing was changed.")
    memory = f"web {render_size(answer.memory_bytes)} of memory, " if answer else ""
    size = f"slug {render_size(tried.size.total_bytes)}, {render_size(tried.size.added_bytes)} of it new"
    console.line(f"       {memory}{size}; {seconds:.1f} s")
    for line in list_undone(folder, tried):
        console.line(f"       {line}")
    branch, _, deployed = source.partition(":")
    pushed = f"{slug.commit[:12]}:refs/heads/{deployed}" if deployed else branch  # the pusher may have no such branch
    console.line(f"       To deploy it: git push toppcloud {pushed}")


def list_undone(folder: TrialFolder, tried: Tried) -> list[str]:
    """What a push would do beyond this."""
    slug = tried.slug
    workers = [name for name in slug.processes if name != WEB]
    lines = [f"{folder.app.name} does not exist yet, and was not made: a push makes it"] if folder.is_new else []
    if slug.release_command:
        lines.append(f"release command not run: {slug.release_command}")
    if slug.postdeploy:
        lines.append(f"postdeploy not run: {slug.postdeploy}")
    if tried.missing:
        lines.append(f"not made: {', '.join(tried.missing)}")
    if workers:
        lines.append(f"not started: {', '.join(workers)}")
    return lines
