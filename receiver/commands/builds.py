"""builds:cancel, builds:verify."""

from __future__ import annotations

import os
from typing import Any

from deploy.release import Release, read_release, require_live_release
from hooks.cancellation import CANCEL_SIGNAL
from hooks.verification import Verification, advise, verify_release
from receiver.commands.release_difference import count_all, render_sections
from receiver.repository import open_repository
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.durations import now_utc, render_age, render_size
from toppcloud.errors import REFUSED, ToppcloudError
from toppcloud.lock import read_holder
from toppcloud.names import parse_release_number
from toppcloud.slug import Slug

_SHORT_HASH = len("sha256:") + 12


def cancel(session: Session, *, app: str) -> None:
    """Tell the build that holds the lock to give up. From its release command on it does not heed this any more."""
    holder = read_holder(session.app(app).build_lock)
    if holder is None:
        raise ToppcloudError(f"No build of {app} is under way.", "", "See: toppcloud releases")
    os.kill(holder.pid, CANCEL_SIGNAL)
    session.write(
        f"Told the build of {holder.by} to stop ({holder.doing}, begun {render_age(holder.since, now_utc())})."
    )
    session.write("It stops unless its release command has begun.")


def verify(session: Session, *, app: str, version: str | None, as_json: bool) -> None:
    """Whether the release's commit would yield the same today. Exit 0 or 1."""
    layout = session.app(app)
    release = _choose_release(layout, version)
    with open_repository(layout.repository) as repo:
        found = verify_release(session.node, layout, release, repo.object_store, session.is_gone, session.console)
    if as_json:
        session.print_json(render_json(found))
    else:
        for line in render(found):
            session.write(line)
    if not found.is_same:
        session.exit(REFUSED)


def render(found: Verification) -> list[str]:
    """Lines for people: the verdict first."""
    name = f"v{found.release.version} built again ({found.seconds:.1f} s)"
    if found.is_same:
        return [f"{name} is the same: {_describe(found.again)}"]
    verdict = f"{name} is not the same: {count_all(found.difference)}"
    return [verdict, *render_sections(found.difference, show=False), *advise(found)]


def render_json(found: Verification) -> dict[str, Any]:
    """The same as one value."""
    difference = found.difference
    return {
        "version": found.release.version,
        "commit": found.release.commit,
        "same": found.is_same,
        "slug_hash": found.slug.hash,
        "hash_again": found.again.hash,
        "files": sorted(difference.files or ()),
        "packages": difference.packages,
        "rebuilt_packages": difference.rebuilt,
        "facts": difference.facts,
        "processes": difference.processes,
        "services": difference.services,
        "advice": advise(found),
    }


def _describe(slug: Slug) -> str:
    """`python 2, 12 packages, Python 3.12.7, files of 3.2 MB; sha256:1a2b3c4d5e6f`"""
    count = len(slug.distributions)
    packages = [f"{count} package{'' if count == 1 else 's'}", f"Python {slug.python_version}"]
    parts = [slug.buildpack, *(packages if slug.python_version else ()), f"files of {render_size(slug.size_bytes)}"]
    return f"{', '.join(parts)}; {slug.hash[:_SHORT_HASH]}"


def _choose_release(app: AppLayout, version: str | None) -> Release:
    if version is None:
        return require_live_release(app)
    number = parse_release_number(version)
    release = read_release(app.release(number))
    if release is None:
        raise ToppcloudError(f"There is no release v{number} of {app.name}.", "", "See: toppcloud releases")
    return release
