"""A release's static files, as the router finds them: `public` in the release leads to the folder, or is not there."""

from __future__ import annotations

from toppcloud.app_layout import ReleaseLayout
from toppcloud.files import swap_symlink
from toppcloud.slug import Slug


def publish_files(release: ReleaseLayout, slug: Slug, *, is_stopped: bool) -> None:
    """Let the router serve the files of `[web] static` from now on. Of a stopped app it serves none."""
    if slug.web.static is None or is_stopped:
        hide_files(release)
    elif not release.public.is_symlink():
        swap_symlink(release.public, release.source.relative_to(release.folder) / slug.web.static)


def hide_files(release: ReleaseLayout) -> None:
    """The router serves none of them any more."""
    release.public.unlink(missing_ok=True)
