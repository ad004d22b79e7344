"""THE STORY of builds:verify: a release's commit is built again, apart and from nothing, and compared with its slug.

The build has the config and service variables of the release, and what indexes have today. No release is numbered, no
service is made, and what was built is thrown away.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from buildpacks.build import BuildRequest, build, choose_slug_id
from buildpacks.manifest import Manifest, read_manifest
from deploy.app_settings import read_app_settings
from deploy.release import Release, read_environment
from deploy.trial_folder import open_app_apart
from hooks.cancellation import Cancellation
from hooks.pipeline import Delivery, export, read_subject
from hooks.release_difference import Difference, Side, compare, read_side
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.disk import refusing_full_disk
from toppcloud.durations import now_utc
from toppcloud.errors import Cancelled, ToppcloudError
from toppcloud.node import Node
from toppcloud.slug import Slug

_FILES_OF_MANAGERS = {
    "pip": "requirements.txt",
    "pyproject": "pyproject.toml",
    "uv": "uv.lock",
    "poetry": "poetry.lock",
    "pipenv": "Pipfile.lock",
}
_WITHOUT_LOCK = frozenset({"pip", "pyproject"})
_MOST_PINS = 10


@dataclass(frozen=True)
class Verification:
    """A release's slug, and what the same commit yields today."""

    release: Release
    slug: Slug
    again: Slug
    difference: Difference
    seconds: float

    @property
    def is_same(self) -> bool:
        return self.difference.is_empty


def verify_release(
    node: Node, app: AppLayout, release: Release, store: Any, is_gone: Callable[[], bool], console: Console
) -> Verification:
    """`store` is dulwich's, of the app's repository. Raises ToppcloudError when it cannot be built again."""
    began = time.monotonic()
    side = read_side(app, release)
    slug = require_parts(app, side, store)
    before = replace_slug(side, slug, side.manifest)
    cancellation = Cancellation(is_gone)
    with cancellation.listening(), refusing_full_disk(), open_app_apart(node.layout, app.name) as apart:
        layout = apart.slug(choose_slug_id(release.commit, now_utc()))
        layout.folder.mkdir(mode=0o755)
        again = build_again(node, app, apart, layout, before, store, cancellation, console)
        after = replace_slug(before, again, read_manifest(layout.manifest))
        difference = compare(before, after, store)
    return Verification(release, slug, again, difference, time.monotonic() - began)


def require_parts(app: AppLayout, side: Side, store: Any) -> Slug:
    """The release's slug. Raises ToppcloudError when it, its config or its commit is not there any more."""
    release = side.release
    name = f"v{release.version} of {app.name}"
    if side.slug is None:
        raise ToppcloudError(
            f"The slug of {name} is gone.", "There is nothing to compare a build with.", "See: toppcloud releases"
        )
    if side.environment is None:
        raise ToppcloudError(
            f"{name} never went live.", "The config that it was built with is not kept.", "See: toppcloud releases"
        )
    if release.commit.encode() not in store:
        raise ToppcloudError(
            f"The commit {release.commit[:7]} of {name} is not on the node any more.",
            "The branch was rewritten since, and what it had before was tidied away.",
            "See: toppcloud releases",
        )
    return side.slug


def build_again(
    node: Node,
    app: AppLayout,
    apart: AppLayout,
    layout: SlugLayout,
    before: Side,
    store: Any,
    cancellation: Cancellation,
    console: Console,
) -> Slug:
    """In an app apart, which has no cache and no virtualenv; of the one before it only the Python is kept to."""
    release = before.release
    commit = store[release.commit.encode()]
    delivery = Delivery("rebuild", release.by, release.commit, None, store)
    export(apart, delivery, commit, layout, console)
    request = BuildRequest(
        node=node,
        app=apart,
        slug=layout,
        commit=release.commit,
        subject=read_subject(commit),
        environment=read_environment(app.release(release.version)).merged(),
        previous=before.slug,
        is_cancelled=cancellation.reason,
        buildpacks=read_app_settings(app).buildpacks,
        uses_cache=False,
    )
    try:
        return build(request, console)
    except Cancelled:
        raise
    except ToppcloudError as error:
        raise ToppcloudError(
            f"v{release.version} of {app.name} cannot be built again as it was.",
            "\n".join(filter(None, (error.what, error.why))),
            f"v{release.version} itself is as it was: nothing was changed.",
            reason=error.reason,
            output=error.output,
        ) from error


def replace_slug(side: Side, slug: Slug, manifest: Manifest) -> Side:
    """The release as it would be with that slug."""
    release = dataclasses.replace(side.release, processes=slug.processes, release_command=slug.release_command)
    return Side(release, slug, manifest, side.environment)


def advise(verification: Verification) -> list[str]:
    """What would make the next build the same, a line for each cause."""
    slug, difference = verification.slug, verification.difference
    file = _FILES_OF_MANAGERS.get(slug.manager or "", "the list of packages")
    moved = [f"{name}=={old}" for name, (old, _) in (difference.packages or {}).items() if old is not None]
    lines = []
    if moved:
        more = f" and {len(moved) - _MOST_PINS} more" if len(moved) > _MOST_PINS else ""
        pins = " ".join(moved[:_MOST_PINS]) + more
        said = "names no exact version of them" if slug.manager in _WITHOUT_LOCK else "does not hold them"
        lines.append(f"{file} {said}. As they were: {pins}")
    if difference.rebuilt:
        lines.append(f"{', '.join(difference.rebuilt)}: the index has another file, or it was compiled anew.")
    if "Python" in (difference.facts or {}):
        lines.append(f"Name the Python that it had in .python-version: {slug.python_version}")
    if difference.files:
        lines.append("Each build writes such files anew: look for times, paths and random values in what makes them.")
    return lines
