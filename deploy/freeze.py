"""What a release consists of, taken at one moment and never changed after it."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass

from deploy.app_settings import read_app_settings
from deploy.bindings import linked_variables
from deploy.kept_files import gather_kept, link_kept
from deploy.release import Release, ReleaseEnvironment, write_environment
from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.durations import now_utc, render_iso
from toppcloud.files import size_of_tree
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, run
from toppcloud.slug import Slug

_COPY_TIMEOUT_S = 600.0
_COPY = ("cp", "--recursive", "--no-dereference", "--preserve=mode,timestamps", "--reflink=auto")


@dataclass(frozen=True)
class Origin:
    """Why there is this release, and whose it is."""

    kind: str
    """push, rebuild, config, service or rollback."""
    description: str
    by: str
    copy_of: int | None = None
    """The release that a rollback brings back."""


def freeze(
    node: Node,
    app: AppLayout,
    layout: ReleaseLayout,
    slug: Slug,
    config: dict[str, str],
    live: Release | None,
    origin: Origin,
) -> Release:
    """The release's own copy of everything: config, service variables, process types, source. No record yet."""
    write_environment(layout, ReleaseEnvironment(config, linked_variables(node, app)))
    copy_source(node, app, layout, slug)
    if live is not None:
        gather_kept(app, app.release(live.version).source, node.account)
    link_kept(app, layout.source, read_app_settings(app).kept_files, node.account)
    return Release(
        version=layout.number,
        kind=origin.kind,
        description=origin.description,
        commit=slug.commit,
        slug=slug.id,
        by=origin.by,
        created_at=render_iso(now_utc()),
        processes=slug.processes,
        release_command=slug.release_command,
        copy_of=origin.copy_of,
    )


def copy_source(node: Node, app: AppLayout, layout: ReleaseLayout, slug: Slug) -> None:
    """The release's source: files of its own, as the app may write where it stands."""
    pristine = app.slug(slug.id).source
    layout.source.mkdir(mode=0o755)
    layout.source.chmod(0o755)
    node.account.own(layout.source)
    try:
        run([*_COPY, "--", f"{pristine}/.", layout.source], account=node.account, timeout_s=_COPY_TIMEOUT_S)
    except ProgramFailed as failure:
        if shutil.disk_usage(layout.folder).free < size_of_tree(pristine):
            raise OSError(errno.ENOSPC, "the disk is full", str(layout.source)) from failure
        raise
    layout.tmp.mkdir(mode=0o700, exist_ok=True)
    node.account.own(layout.tmp)
