"""What may go: sources of releases that are drained, releases beyond the kept ones, slugs that no release needs."""

from __future__ import annotations

import os

from deploy.kept_files import gather_late
from deploy.public_files import find_slug_before
from deploy.release import read_release
from deploy.written_files import find_written
from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.console import Console
from toppcloud.files import remove_tree
from toppcloud.lock import read_holder
from toppcloud.node import Node
from toppcloud.slug import read_slug


def prune_releases(node: Node, app: AppLayout, console: Console) -> None:
    """Remove what neither the live release nor a rollback to a kept one needs. Releases with written files stay."""
    live = app.live_number()
    served = [number for number in app.release_numbers() if app.release(number).went_live.exists()]
    kept = set(served[: node.settings.kept_releases])
    oldest = min(kept) if len(served) > len(kept) else 0
    for number in served:
        if number != live:
            _drop_drained_source(node, app, app.release(number))
    for number in app.release_numbers():
        layout = app.release(number)
        if number == live or number > oldest or number in kept:
            continue
        if layout.source.exists():
            console.warning(
                f"v{number} is kept beyond the last {node.settings.kept_releases}: it wrote files that would be lost."
            )
        else:
            remove_tree(layout.folder)
    _prune_slugs(app)


def venv_keys_in_use(app: AppLayout) -> set[str]:
    """Keys of the virtualenvs that the slugs of this app need."""
    slugs = (read_slug(app.slug(slug_id)) for slug_id in _slug_ids(app))
    return {slug.venv_key for slug in slugs if slug and slug.venv_key}


def _drop_drained_source(node: Node, app: AppLayout, layout: ReleaseLayout) -> None:
    if not layout.source.exists() or (layout.starts.is_dir() and any(layout.starts.iterdir())):
        return
    release = read_release(layout)
    slug = read_slug(app.slug(release.slug)) if release else None
    gather_late(app, layout.source, node.account)
    if slug is None or not find_written(layout, app.slug(slug.id)):
        remove_tree(layout.source)
        remove_tree(layout.tmp)


def _prune_slugs(app: AppLayout) -> None:
    """Remove slugs that no release names. Listed before the lock is looked at, so a later build's is not among them."""
    slug_ids = _slug_ids(app)
    holder = read_holder(app.build_lock)
    if holder is not None and holder.pid != os.getpid():
        return
    releases = [read_release(app.release(number)) for number in app.release_numbers()]
    needed = {release.slug for release in releases if release is not None}
    live = app.live_number()
    if live is not None and (before := find_slug_before(app, app.release(live))):
        needed.add(before)
    trials = {slug.id for slug in app.dry_runs()}
    for slug_id in slug_ids:
        if slug_id not in needed | trials:
            remove_tree(app.slug(slug_id).folder)


def _slug_ids(app: AppLayout) -> list[str]:
    return [path.name for path in app.slugs.iterdir() if not path.name.startswith(".")] if app.slugs.is_dir() else []
