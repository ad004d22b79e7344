"""A release's static files, as the router finds them: four links, each there only when it leads somewhere.

public         the folder of `[web] static` in the release's source; without one what the build gathered
public-built   what the build gathered (Django's static files), in the slug: `static/app.55e7cbb9ba48.css`
public-hashed  files of both whose name tells their content, in the slug
public-before  files of the slug that was live before, for pages that were loaded then
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from deploy.release import read_release
from toppcloud.app_layout import AppLayout, ReleaseLayout, SlugLayout
from toppcloud.files import swap_symlink
from toppcloud.slug import Slug, read_slug


def publish_files(app: AppLayout, release: ReleaseLayout, slug: Slug, *, is_stopped: bool) -> None:
    """Let the router serve the static files from now on. Of a stopped app it serves none."""
    targets = {} if is_stopped else dict(_choose_targets(app, release, slug))
    for link in _links(release):
        target = targets.get(link)
        if target is None:
            link.unlink(missing_ok=True)
            continue
        relative = os.path.relpath(target, release.folder)
        if not link.is_symlink() or str(link.readlink()) != relative:
            swap_symlink(link, relative)


def hide_files(release: ReleaseLayout) -> None:
    """The router serves none of them any more."""
    for link in _links(release):
        link.unlink(missing_ok=True)


def find_slug_before(app: AppLayout, release: ReleaseLayout) -> str | None:
    """The slug whose files are served beside the release's own."""
    try:
        return SlugLayout(Path(os.path.normpath(release.folder / release.public_before.readlink())).parent).id
    except OSError:
        return None


def _links(release: ReleaseLayout) -> tuple[Path, ...]:
    return release.public, release.public_hashed, release.public_built, release.public_before


def _choose_targets(app: AppLayout, release: ReleaseLayout, slug: Slug) -> Iterator[tuple[Path, Path]]:
    layout = app.slug(slug.id)
    built = layout.public if slug.static and layout.public.is_dir() else None
    public = release.source / slug.web.static if slug.web.static is not None else built
    if public is None:
        return
    yield release.public, public
    if built:
        yield release.public_built, built
    if layout.public_hashed.is_dir():
        yield release.public_hashed, layout.public_hashed
    before = _choose_slug_before(app, release, slug)
    if before and before.public.is_dir():
        yield release.public_before, before.public


def _choose_slug_before(app: AppLayout, release: ReleaseLayout, slug: Slug) -> SlugLayout | None:
    """The slug that was live before this one was, unless it has files at an address that is the app's now."""
    for number in app.release_numbers():
        layout = app.release(number)
        earlier = read_release(layout) if number < release.number and layout.went_live.exists() else None
        if earlier is None or earlier.slug == slug.id:
            continue
        before = read_slug(app.slug(earlier.slug))
        own = {url for url, _ in slug.static}
        return app.slug(before.id) if before and {url for url, _ in before.static} <= own else None
    return None
