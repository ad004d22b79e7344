"""The page that an app brings for visitors who cannot be served: copied beside each start, for the doorman to send.

Taken from the slug, which no app can write to, since whoever reads it may be root.
"""

from __future__ import annotations

from pathlib import Path

from toppcloud.app_layout import SlugLayout, StartLayout
from toppcloud.errors import ToppcloudError
from toppcloud.files import write_file
from toppcloud.slug import Web

LARGEST_BYTES = 64 * 1024
"""So that it fits into a socket's buffer, and is sent without waiting for anybody."""
_STATIC_MISSING = "404.html"


def copy_unavailable_page(slug: SlugLayout, web: Web, start: StartLayout) -> None:
    """`[web] unavailable`, for 503. Raises ToppcloudError when there is no such file, or too much of it."""
    if web.unavailable_page is None:
        return
    page = _find_inside(slug.source, web.unavailable_page)
    if page is None:
        raise ToppcloudError(
            f"There is no page {web.unavailable_page}.",
            "toppcloud.toml names it as [web] unavailable.",
            "Commit it, or remove that line, and push again.",
            reason="missing 503 page",
        )
    if page.stat().st_size > LARGEST_BYTES:
        raise ToppcloudError(
            f"The page {web.unavailable_page} is too large.",
            f"It has {page.stat().st_size} bytes; {LARGEST_BYTES} is the most, since it is sent in one piece.",
            "Put its pictures elsewhere, and push again.",
            reason="503 page too large",
        )
    write_file(start.page, page.read_bytes(), is_durable=False)


def copy_missing_page(slug: SlugLayout, web: Web, start: StartLayout) -> None:
    """A static site's own 404.html, if it has one that can be sent."""
    page = _find_inside(slug.source, f"{web.static}/{_STATIC_MISSING}") if web.static else None
    if page and page.stat().st_size <= LARGEST_BYTES:
        write_file(start.page, page.read_bytes(), is_durable=False)


def _find_inside(folder: Path, name: str) -> Path | None:
    """The regular file of that name below `folder`; a link that leads out of it does not count."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
