"""What may go: sources of releases that are drained, releases beyond the kept ones, slugs that no release needs."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.kept_files import gather_late
from deploy.public_files import find_slug_before
from deploy.release import read_release
from deploy.written_files import find_written
from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.console import Console
from toppcloud.files import remove_tree, set_aside
from toppcloud.lock import read_holder
from toppcloud.node import Node
from toppcloud.slug import read_slug

_MANY = 500


def prune_releases(node: Node, app: AppLayout, console: Console) -> bool:
    """Remove what neither the live release nor a rollback to a kept one needs. Releases with written files stay.

    Folders of many files, which would take long, are set aside in the app's: returns whether there were any.
    """
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
            _remove(app, layout.folder)
    _prune_slugs(app)
    return any(app.folder.glob(".gone-*"))


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
        _remove(app, layout.source)
        _remove(app, layout.tmp)


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
            _remove(app, app.slug(slug_id).folder)


def _remove(app: AppLayout, path: Path) -> None:
    if _has_many(path):
        set_aside(path, app.folder)
    else:
        remove_tree(path)


def _has_many(top: Path) -> bool:
    """Whether more than `_MANY` files lie below it. Looks at no more of them."""
    count = 0
    for _, folders, names in os.walk(top):
        count += len(folders) + len(names)
        if count > _MANY:
            return True
    return False


def _slug_ids(app: AppLayout) -> list[str]:
    return [path.name for path in app.slugs.iterdir() if not path.name.startswith(".")] if app.slugs.is_dir() else []
