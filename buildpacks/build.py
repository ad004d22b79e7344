"""THE STORY of a build, one call a step: .slugignore, bin/pre_compile, choose buildpacks, run one after the other,
bin/post_compile, take stock of what they made."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from buildpacks.app_hooks import POST_COMPILE, PRE_COMPILE, has_hook, mentions, run_hook
from buildpacks.buildpack import Buildpack, Contribution, PythonPart, Workshop
from buildpacks.distributions import describe_changes, hash_distributions
from buildpacks.export import Exported
from buildpacks.private_copy import add_pip, open_private_copy, settle_private_copy
from buildpacks.processes import Declarations, read_declarations
from buildpacks.registry import choose_buildpacks
from buildpacks.seal import take_back
from buildpacks.slugignore import leave_out
from buildpacks.static import refuse_published_source
from buildpacks.stock import take_stock
from buildpacks.uv import make_build_environment
from buildpacks.web_options import check_web_options
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.durations import now_utc, render_iso
from toppcloud.files import remove_tree
from toppcloud.node import Node
from toppcloud.slug import Slug

NOTHING_RUNS = (
    "No process runs, so nobody will be answered. Add a file Procfile with one line: web: gunicorn MODULE:app"
    "   Commands can run: toppcloud run"
)


@dataclass(frozen=True)
class BuildRequest:
    """A source, exported to `slug.source`, that is to become a slug."""

    node: Node
    app: AppLayout
    slug: SlugLayout
    commit: str
    subject: str
    environment: Mapping[str, str]
    """Config vars, and those service variables that are known already."""
    previous: Slug | None
    """The slug of the live release: what is equal to it is not done again."""
    is_cancelled: Callable[[], str | None]
    buildpacks: tuple[str, ...] = ()
    """What `buildpacks:set` says. Empty: the project's own files say it."""
    uses_cache: bool = True
    """False: nothing of an earlier build is used."""
    exported: Exported | None = None
    """What the commit has put into the source."""


def choose_slug_id(commit: str, now: datetime) -> str:
    """`a41c9e2f-20261122T144504-1f3a`: sorts by time within a commit, and is never given twice."""
    return f"{commit[:8]}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def build(request: BuildRequest, console: Console) -> Slug:
    """Make everything that the app needs to run. Raises ToppcloudError or Cancelled; then the slug is not real."""
    source = request.slug.source
    leave_out(source, console)
    try:
        workshop = prepare_workshop(request, console)
        buildpacks = choose_buildpacks(source, workshop.declarations, request.buildpacks)
        workshop, contributions = run_buildpacks(workshop, buildpacks, console)
        contributions = run_post_compile(workshop, contributions, console)
        slug = describe_slug(request, workshop.declarations, contributions)
        check_web_options(source, slug.web, slug.processes)
        older = request.app.slug(request.previous.id) if request.previous and request.uses_cache else None
        scanned = take_stock(
            request.node, request.slug, older, request.exported, find_python(contributions), request.is_cancelled
        )
    finally:
        remove_tree(request.slug.tmp)
    console.step(contributions[-1].processes.why)
    for warning in slug.warnings:
        console.warning(warning)
    return dataclasses.replace(slug, content_hash=scanned.content_hash, size_bytes=scanned.size_bytes)


def prepare_workshop(request: BuildRequest, console: Console) -> Workshop:
    """bin/pre_compile runs in it first, so that what it writes is part of the project that buildpacks see."""
    source = request.slug.source
    workshop = Workshop(
        request.node,
        request.app,
        request.slug,
        read_declarations(source),
        make_build_environment(request.node, request.environment, request.slug.tmp),
        request.previous,
        request.is_cancelled,
        uses_cache=request.uses_cache,
        commit=request.commit,
    )
    run_hook(workshop, PRE_COMPILE, console)
    return dataclasses.replace(workshop, declarations=read_declarations(source))


def run_buildpacks(
    workshop: Workshop, buildpacks: list[Buildpack], console: Console
) -> tuple[Workshop, list[Contribution]]:
    """Each in the same folder, with the programs and variables that those before it brought."""
    source = workshop.source
    contributions = []
    for number, buildpack in enumerate(buildpacks, 1):
        workshop = dataclasses.replace(workshop, is_last=number == len(buildpacks))
        contribution = buildpack.build(workshop, console)
        contributions.append(contribution)
        take_back(source, workshop.node.account)
        paths = tuple(source / path for path in (*contribution.exported_paths, *contribution.paths))
        workshop = dataclasses.replace(
            workshop,
            declarations=read_declarations(source),
            paths=(*paths, *workshop.paths),
            exported={**workshop.exported, **contribution.exported},
        )
    return workshop, contributions


def run_post_compile(workshop: Workshop, contributions: list[Contribution], console: Console) -> list[Contribution]:
    """bin/post_compile may change the virtualenv: then this slug has one of its own."""
    python = find_python(contributions)
    if python is None or not has_hook(workshop.source, POST_COMPILE):
        run_hook(workshop, POST_COMPILE, console)
        return contributions
    copy = open_private_copy(workshop.slug, workshop.node.account)
    if "pip" not in python.distributions and mentions(workshop.source, POST_COMPILE, b"pip"):
        copy = add_pip(copy, workshop)
    run_hook(workshop, POST_COMPILE, console, venv=workshop.slug.venv)
    settled = settle_private_copy(copy, workshop, python)
    if settled.venv_key != python.venv_key:
        changes = describe_changes(python.distributions, settled.distributions) or "no other packages"
        console.detail(f"it changed the virtualenv ({changes}): this release has a copy of its own")
    return [dataclasses.replace(part, python=settled) if part.python else part for part in contributions]


def find_python(contributions: list[Contribution]) -> PythonPart | None:
    """What the Python buildpack made, when it was one of them."""
    return next((part.python for part in contributions if part.python), None)


def describe_slug(request: BuildRequest, declarations: Declarations, contributions: list[Contribution]) -> Slug:
    """What slug.json will say, but for the content's hash. Raises ToppcloudError when the source would be published."""
    last = contributions[-1]
    web = declarations.toml.options if last.web is None else last.web
    idle = () if last.processes.commands or web.static else (NOTHING_RUNS,)
    refuse_published_source(web, last.processes.commands)
    python = find_python(contributions)
    return Slug(
        id=request.slug.id,
        commit=request.commit,
        subject=request.subject,
        created_at=render_iso(now_utc()),
        buildpack=", ".join(part.buildpack for part in contributions),
        processes=last.processes.commands,
        release_command=last.processes.release_command,
        environment={name: value for part in contributions for name, value in part.environment.items()},
        paths=tuple(path for part in reversed(contributions) for path in part.paths),
        venv_key=python.venv_key if python else None,
        python_version=python.version if python else None,
        python_executable=python.executable if python else None,
        python_build=python.build if python else None,
        manager=python.manager if python else None,
        lock_hash=python.lock_hash if python else None,
        distributions=dict(python.distributions) if python else {},
        distribution_hashes=find_hashes(request) if python else {},
        content_hash="",
        services=declarations.services(),
        check=declarations.check(),
        web=web,
        kept_paths=declarations.toml.kept_paths,
        static=tuple(item for part in contributions for item in part.static),
        formation=dict(declarations.app_json.formation),
        postdeploy=declarations.app_json.postdeploy,
        warnings=(*declarations.app_json.warnings, *(text for part in contributions for text in part.warnings), *idle),
    )


def find_hashes(request: BuildRequest) -> dict[str, str]:
    """Of each distribution. A shared virtualenv is never altered, so what is known of it holds."""
    venv, previous = request.slug.venv, request.previous
    older = request.app.slug(previous.id).venv if previous else None
    if previous and older and previous.distribution_hashes and older.exists() and older.samefile(venv):
        return previous.distribution_hashes
    return hash_distributions(venv)
