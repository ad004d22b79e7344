"""What a build yields, as `slug.json` records it: the one thing that builds and deploys both know.

{"id": "a41c9e2f-20261122T144504-1f", "commit": "a41c9e2...", "processes": {"web": "gunicorn blog.wsgi"}, ...}
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from toppcloud.app_layout import SlugLayout
from toppcloud.files import read_json, write_json

FORMAT = 1


@dataclass(frozen=True)
class Check:
    """`[checks]` of toppcloud.toml: how a new release shows that it answers. `timeout_s` None: the node's setting."""

    path: str = "/"
    timeout_s: float | None = None


@dataclass(frozen=True)
class ServiceDeclaration:
    """A service that the app's files ask for. `options` as the service defines them, e.g. {"scheme": "postgres"}."""

    name: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Slug:
    """slug.json. Times are ISO 8601, hashes `sha256:<hex>`."""

    id: str
    commit: str
    subject: str
    created_at: str
    buildpack: str
    """Name and version, e.g. `python 1`."""
    processes: dict[str, str]
    """Process types but `release`, in the Procfile's order: {"web": "gunicorn blog.wsgi", "worker": "celery ..."}."""
    release_command: str | None
    environment: dict[str, str]
    """What the runtime needs besides PATH, e.g. {"LD_LIBRARY_PATH": "..."}; usually empty."""
    venv_key: str | None
    python_version: str | None
    python_executable: str | None
    """Path of the interpreter that the virtualenv stands on."""
    lock_hash: str | None
    distributions: dict[str, str]
    """Every installed distribution: {"flask": "3.1.0"}."""
    content_hash: str
    services: tuple[ServiceDeclaration, ...] = ()
    check: Check = Check()
    kept_paths: tuple[str, ...] = ()
    """`[services.files] keep`."""
    warnings: tuple[str, ...] = ()


def write_slug(layout: SlugLayout, slug: Slug) -> None:
    """Make the slug real: from here on nothing runs or writes in its folder."""
    write_json(layout.record, {"format": FORMAT, **dataclasses.asdict(slug)})


def read_slug(layout: SlugLayout) -> Slug | None:
    """The slug in that folder, or None when its build did not end."""
    value: dict[str, Any] | None = read_json(layout.record)
    if value is None:
        return None
    del value["format"]
    value["services"] = tuple(ServiceDeclaration(**item) for item in value["services"])
    value["check"] = Check(**value["check"])
    for key in ("kept_paths", "warnings"):
        value[key] = tuple(value[key])
    return Slug(**value)
