"""What a build yields, as `slug.json` records it: the one thing that builds and deploys both know.

{"id": "a41c9e2f-20261122T144504-1f", "commit": "a41c9e2...", "processes": {"web": "gunicorn blog.wsgi"}, ...}
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from toppcloud.app_layout import SlugLayout
from toppcloud.files import read_json, write_json

FORMAT = 1
_OF_ONE_BUILD = frozenset(
    {"id", "commit", "subject", "created_at", "venv_key", "python_executable", "size_bytes", "warnings"}
)


@dataclass(frozen=True)
class Check:
    """`[checks]` of toppcloud.toml: how a new release shows that it answers. `timeout_s` None: the node's setting."""

    path: str = "/"
    timeout_s: float | None = None
    auto_rollback_s: float | None = None
    """For so long after a deploy its errors are counted. None: nothing goes back by itself."""
    auto_rollback_after: int = 10
    """So many 5xx answers and crashes in that time, and the release before is live again."""


@dataclass(frozen=True)
class Web:
    """`[web]` of toppcloud.toml, but the command itself, which is `processes["web"]`. Paths are inside the source."""

    runner: str = ""
    """`gunicorn`, `mod_wsgi`, `uvicorn`, `hypercorn`; empty: what suits the callable, or the command as it stands."""
    target: str = ""
    """The callable that `wsgi` or `asgi` names: `blog.wsgi:application`."""
    static: str | None = None
    """The folder whose files the router serves by itself: `public`."""
    idle: str | None = None
    """`15m` or `never`. None: the node's setting."""
    sleeps_with: tuple[str, ...] = ()
    """Process types that sleep and wake with web: ("worker",)."""
    unavailable_page: str | None = None
    """The app's own page for 503: `errors/503.html`."""


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
    """Names and versions, in the order in which they ran: `nodejs 1, python 2`."""
    processes: dict[str, str]
    """Process types but `release`, in the Procfile's order: {"web": "gunicorn blog.wsgi", "worker": "celery ..."}."""
    release_command: str | None
    environment: dict[str, str]
    """Defaults that buildpacks give to the app's processes, as {"NODE_ENV": "production"}; config vars win."""
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
    web: Web = Web()
    kept_paths: tuple[str, ...] = ()
    """`[services.files] keep`."""
    warnings: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """Folders of programs in front of PATH at run time. Relative ones lie in the source: ("node_modules/.bin",)."""
    python_build: str | None = None
    """Which build of Python that is, so that another one of the same version is told apart."""
    manager: str | None = None
    """What lists the Python packages: `pip`, `uv`, `poetry`, `pipenv`, `pyproject`."""
    static: tuple[tuple[str, str], ...] = ()
    """What the router serves below an address of its own, and the folder with it: (("static", "staticfiles"),)."""
    formation: dict[str, int] = field(default_factory=dict)
    """How many of each process type app.json wants at first: {"web": 2}."""
    postdeploy: str | None = None
    """The command that app.json wants run once, at the first deploy."""
    distribution_hashes: dict[str, str] = field(default_factory=dict)
    """{"flask": "sha256:…"}: over the files of each; see buildpacks/distributions.py."""
    size_bytes: int = 0
    """Of the source's files as built, without bytecode."""

    @property
    def hash(self) -> str:
        """One over all that runs. When, where and from which commit it was built is no part of it."""
        parts = {key: value for key, value in dataclasses.asdict(self).items() if key not in _OF_ONE_BUILD}
        return f"sha256:{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}"


def write_slug(layout: SlugLayout, slug: Slug) -> None:
    """Make the slug real: from here on nothing runs or writes in its folder."""
    write_json(layout.record, {"format": FORMAT, "hash": slug.hash, **dataclasses.asdict(slug)})


def read_slug(layout: SlugLayout) -> Slug | None:
    """The slug in that folder, or None when its build did not end."""
    value: dict[str, Any] | None = read_json(layout.record)
    if value is None:
        return None
    del value["format"]
    value.pop("hash", None)
    value["services"] = tuple(ServiceDeclaration(**item) for item in value["services"])
    value["check"] = Check(**value["check"])
    web = value.get("web", {})
    value["web"] = Web(**{**web, "sleeps_with": tuple(web.get("sleeps_with", ()))})
    for key in ("kept_paths", "warnings", "paths"):
        value[key] = tuple(value.get(key, ()))
    value["static"] = tuple((url, folder) for url, folder in value.get("static", ()))
    return Slug(**value)
