"""What is other in one release than in an earlier one: code, packages, config, processes, services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dulwich.errors import MissingCommitError
from dulwich.objects import Commit, ObjectID
from dulwich.walk import Walker

from buildpacks.manifest import Manifest, read_manifest
from deploy.release import Release, ReleaseEnvironment, read_environment
from hooks.pipeline import read_subject
from toppcloud.app_layout import AppLayout
from toppcloud.slug import Check, Slug, Web, read_slug

MOST_COMMITS = 200
_BUILD = "build of Python"

Change = tuple[str | None, str | None]
"""Before and after; None where there was, or is, nothing."""
Changes = dict[str, Change]


@dataclass(frozen=True)
class Side:
    """One of the two releases."""

    release: Release
    slug: Slug | None
    """None: it is gone, and with it what is known of files and packages."""
    manifest: Manifest
    environment: ReleaseEnvironment | None
    """None: it never went live, and its config is not kept."""


@dataclass(frozen=True)
class Commits:
    """(id, subject), newest first, at most MOST_COMMITS: those that came, and those of the old release that went."""

    new: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    is_whole: bool = True
    """False: parents of some are not on the node, so there may be others."""


@dataclass(frozen=True)
class Difference:
    """None stands for what cannot be known any more."""

    commits: Commits | None
    files: Changes | None
    """By path, with the hash of the content."""
    has_other_modes: bool
    """The files' contents are equal, but not all modes or links."""
    packages: Changes | None
    rebuilt: tuple[str, ...]
    """Packages of the same version that consist of other files."""
    facts: Changes | None
    """`Python`, `buildpack`, `kept paths`, `check timeout`: what else a slug says, where it differs."""
    config: Changes | None
    service_variables: Changes | None
    processes: Changes
    services: Changes | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is other, as far as it is known."""
        known = (self.files, self.packages, self.facts, self.config, self.service_variables, self.services)
        has_commits = self.commits is not None and (self.commits.new or self.commits.left)
        return not (has_commits or self.processes or self.rebuilt or self.has_other_modes or any(known))


def read_side(app: AppLayout, release: Release) -> Side:
    """What the disk has of the release."""
    layout, slug = app.release(release.version), app.slug(release.slug)
    environment = read_environment(layout) if layout.env.exists() else None
    return Side(release, read_slug(slug), read_manifest(slug.manifest), environment)


def compare(old: Side, new: Side, store: Any) -> Difference:
    """From `old` to `new`. `store` is dulwich's object store of the app's repository."""
    a, b = old.slug, new.slug
    both = (a, b) if a and b else None
    files = _compare_files(old.manifest, new.manifest) if both else None
    environments = (old.environment, new.environment) if old.environment and new.environment else None
    return Difference(
        commits=find_commits(store, old.release.commit, new.release.commit),
        files=files,
        has_other_modes=files == {} and both is not None and both[0].content_hash != both[1].content_hash,
        packages=compare_values(both[0].distributions, both[1].distributions) if both else None,
        rebuilt=find_rebuilt(*both) if both else (),
        facts=_compare_facts(*both) if both else None,
        config=compare_values(environments[0].config, environments[1].config) if environments else None,
        service_variables=compare_values(environments[0].services, environments[1].services) if environments else None,
        processes=compare_values(_list_commands(old.release), _list_commands(new.release)),
        services=compare_values(_list_services(both[0]), _list_services(both[1])) if both else None,
    )


def compare_values(old: Mapping[str, str], new: Mapping[str, str]) -> Changes:
    """{"a": "1", "b": "2"} and {"b": "3"} -> {"a": ("1", None), "b": ("2", "3")}"""
    return {key: (old.get(key), new.get(key)) for key in sorted({*old, *new}) if old.get(key) != new.get(key)}


def find_rebuilt(old: Slug, new: Slug) -> tuple[str, ...]:
    """Packages of the same version whose files differ. Slugs of an older toppcloud do not tell."""
    return tuple(
        name
        for name, digest in sorted(new.distribution_hashes.items())
        if old.distributions.get(name) == new.distributions.get(name)
        and old.distribution_hashes.get(name, digest) != digest
    )


def find_commits(store: Any, old: str, new: str) -> Commits | None:
    """What lies between; None when the repository does not have both."""
    if old == new:
        return Commits((), ())
    if old.encode() not in store or new.encode() not in store:
        return None
    try:
        came, left = _walk(store, new, old), _walk(store, old, new)
    except (KeyError, MissingCommitError):
        return None
    lines = [tuple((commit.id.decode(), _clean(read_subject(commit))) for commit in side) for side in (came, left)]
    is_whole = all(parent in store for commit in (*came, *left) for parent in commit.parents)
    return Commits(lines[0], lines[1], is_whole)


def _walk(store: Any, tip: str, exclude: str) -> list[Commit]:
    walker = Walker(
        store,
        [ObjectID(tip.encode())],
        exclude=[ObjectID(exclude.encode())],
        max_entries=MOST_COMMITS,
        get_parents=_known_parents(store),
    )
    return [entry.commit for entry in walker]


def _known_parents(store: Any) -> Callable[[Commit], list[ObjectID]]:
    """A shallow push does not bring them all."""
    return lambda commit: [parent for parent in commit.parents if parent in store]


def _compare_files(old: Manifest, new: Manifest) -> Changes:
    return compare_values(*({_render(path): digest for path, digest in side.files.items()} for side in (old, new)))


def _render(path: bytes) -> str:
    return _clean(path.decode("utf-8", "backslashreplace"))


def _clean(text: str) -> str:
    """What a commit brings moves no cursor at the person's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _compare_facts(old: Slug, new: Slug) -> Changes:
    changes = compare_values(_list_facts(old), _list_facts(new))
    return {name: change for name, change in changes.items() if not (name == _BUILD and "Python" in changes)}


def _list_facts(slug: Slug) -> dict[str, str]:
    facts: dict[str, object] = {
        "Python": slug.python_version,
        _BUILD: slug.python_build,
        "package manager": slug.manager,
        "buildpack": slug.buildpack,
        "programs": ":".join(slug.paths),
        "kept paths": " ".join(slug.kept_paths),
        "static files": " ".join(f"/{url}/={folder}" for url, folder in slug.static),
        "postdeploy": slug.postdeploy,
        **{f"default {name}": value for name, value in slug.environment.items()},
        **{f"formation {name}": count for name, count in slug.formation.items()},
        **_list_fields("check", slug.check),
        **_list_fields("web", slug.web),
    }
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}


def _list_fields(prefix: str, values: Check | Web) -> dict[str, object]:
    """`check timeout s`, `web idle`"""
    fields = {name: " ".join(value) if isinstance(value, tuple) else value for name, value in asdict(values).items()}
    return {f"{prefix} {name.replace('_', ' ')}": value for name, value in fields.items()}


def _list_commands(release: Release) -> dict[str, str]:
    release_command = {"release": release.release_command} if release.release_command else {}
    return {**release.processes, **release_command}


def _list_services(slug: Slug) -> dict[str, str]:
    return {
        service.name: " ".join(f"{key}={value}" for key, value in sorted(service.options.items()))
        for service in slug.services
    }
