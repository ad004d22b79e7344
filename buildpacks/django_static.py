"""The step of a build that gathers Django's static files, and decides at which address the router is to serve them.

STATIC_URL `static/` or `/static/` is the address `static`. One with a host in it is elsewhere (a CDN), and `/` would be
in the way of the app's pages: of these the files stay the app's own affair.
"""

from __future__ import annotations

import re
from collections.abc import Collection as Names
from pathlib import Path
from urllib.parse import urlsplit

from buildpacks.buildpack import Workshop
from buildpacks.collectstatic import Collection, collect_static, count_files, find_manage_py, render_counts
from toppcloud.console import Console

MARKER = ".heroku/collectstatic_disabled"
_SEGMENT = re.compile(r"[A-Za-z0-9_~+@][A-Za-z0-9_~+@.-]*")
_LONGEST_URL = 200


def collect_django_static(
    workshop: Workshop, distributions: Names[str], console: Console
) -> tuple[tuple[str, str], ...]:
    """Run collectstatic, when this is a project of Django's and nobody turned it off. Returns `Slug.static`."""
    source = workshop.source
    if "django" not in distributions:
        return ()
    manage_py = find_manage_py(source)
    if off := _find_reason_against(workshop, manage_py, console):
        console.step(f"collectstatic: off{off}")
    if off or manage_py is None:
        return ()
    bin_folder = workshop.slug.venv / "bin"
    environment = workshop.step_environment(bin_folder)
    environment.pop("PYTHONHOME", None)  # the virtualenv knows its own; Heroku's old releases set one as a config var
    with console.timed_step("") as timed:
        workshop.node.account.own_tree(source)
        found = collect_static(
            source,
            manage_py,
            bin_folder / "python",
            environment,
            workshop.node.account,
            console,
            timeout_s=workshop.node.settings.build_timeout_s,
            is_cancelled=workshop.is_cancelled,
        )
        static, timed.text = choose_address(workshop, found)
    return static


def choose_address(workshop: Workshop, found: Collection) -> tuple[tuple[tuple[str, str], ...], str]:
    """`Slug.static`, and the step's line: `collectstatic: 131 files, 4 new, at /static/`."""
    if found.skipped:
        return (), f"collectstatic: off, {found.skipped}"
    if found.root is None:
        return (), f"collectstatic: into the storage that the settings name; pages find it at {_shown(found.url)}"
    source = workshop.source.resolve()
    if not found.root.is_relative_to(source):
        return (), f"collectstatic: into {found.root}, which is outside the project and no part of the release"
    inside = found.root.relative_to(source)
    older = workshop.app.slug(workshop.previous.id).source / inside if workshop.previous else None
    counts = render_counts(*count_files(found.root, older if older and older.is_dir() else None))
    url, reason = parse_static_url(found.url)
    if url and (found.holds_code or found.root == source):
        url, reason = "", "STATIC_ROOT has the project's code in it"
    if not url:
        return (), f"{counts} for the app to serve itself: {reason}"
    comma = "," if "," in counts else ""
    return ((url, str(inside)),), f"{counts}{comma} at /{url}/"


def parse_static_url(text: str) -> tuple[str, str]:
    """`/static/` -> ("static", ""); one that the router cannot serve: ("", why)."""
    parts = urlsplit(text)
    if parts.scheme or parts.netloc:
        return "", f"STATIC_URL is {_shown(text)}, another host's"
    path = parts.path.strip("/")
    if not path:
        return "", "STATIC_URL is /, where the app's pages are"
    if (
        len(path) > _LONGEST_URL
        or not text.isprintable()
        or not all(_SEGMENT.fullmatch(name) for name in path.split("/"))
    ):
        return "", f"STATIC_URL is {_shown(text)}, which is no plain path"
    return path, ""


def _find_reason_against(workshop: Workshop, manage_py: Path | None, console: Console) -> str | None:
    """What follows `collectstatic: off`."""
    if workshop.environment.app.get("DISABLE_COLLECTSTATIC", "").strip().lower() not in ("", "0", "false"):
        return " (DISABLE_COLLECTSTATIC)"
    if (workshop.source / MARKER).is_file():
        console.warning(f"{MARKER} is the old way to turn collectstatic off. Remove it, and type:")
        console.warning("toppcloud config:set DISABLE_COLLECTSTATIC=1")
        return f" ({MARKER})"
    return None if manage_py else ", no manage.py at the top or up to three levels down"


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST_URL])
