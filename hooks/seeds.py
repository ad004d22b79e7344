"""Config vars that app.json gives an app: defaults and made-up secrets, once; and those that it must have been given.

{"env": {"LANGUAGE": "en", "SECRET_KEY": {"generator": "secret"}, "TOKEN": {"required": true}}}
A var that was given once is the person's: what they change or unset stays so, whatever later pushes say.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from buildpacks.app_json import EnvEntry
from deploy.app_settings import edit_app_settings, read_app_settings
from deploy.bindings import service_variables
from deploy.configuration import read_config, read_staged, stage
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node

_SECRET_BYTES = 32


@dataclass(frozen=True)
class Seeds:
    """What the env entries come to for one app."""

    defaults: dict[str, str]
    secrets: dict[str, str]
    missing: tuple[EnvEntry, ...]
    """Required in so many words, and not there: without them nothing is built."""
    unset: tuple[str, ...]
    """Neither required nor dispensable in so many words."""

    @property
    def values(self) -> dict[str, str]:
        return {**self.defaults, **self.secrets}


def make_secret() -> str:
    """64 hexadecimal digits, as Heroku's generator gives."""
    return secrets.token_hex(_SECRET_BYTES)


def choose_seeds(
    env: Sequence[EnvEntry],
    present: Collection[str],
    given: Collection[str],
    generate: Callable[[], str] = make_secret,
) -> Seeds:
    """`present` are the variables that the app has; `given` those that were given to it once, or that it gave up."""
    absent = [entry for entry in env if entry.name not in present]
    fresh = [entry for entry in absent if entry.name not in given]
    made = {entry.name: generate() for entry in fresh if entry.is_secret}
    defaults = {entry.name: entry.value for entry in fresh if entry.value is not None and not entry.is_secret}
    rest = [entry for entry in absent if entry.name not in made and entry.name not in defaults]
    return Seeds(
        defaults,
        made,
        tuple(entry for entry in rest if entry.required),
        tuple(entry.name for entry in rest if entry.required is None and entry.name not in given),
    )


def find_seeds(node: Node, app: AppLayout, env: Sequence[EnvEntry]) -> Seeds:
    """For the app as it is now. Changes nothing."""
    settings = read_app_settings(app)
    present = {*read_config(app), *service_variables(node, app), *settings.links}
    return choose_seeds(env, present, {*settings.seeded_config, *read_staged(app)})


def seed_config(node: Node, app: AppLayout, env: Sequence[EnvEntry], console: Console) -> None:
    """Let the app's next release have what app.json gives. A push that fails leaves it waiting, the same next time.

    Raises ToppcloudError naming all that is required and missing.
    """
    if not env:
        return
    seeds = find_seeds(node, app, env)
    refuse_missing(app, seeds)
    if seeds.values:
        stage(app, seeds.values)
    given = {entry.name for entry in env if entry.value is not None or entry.is_secret}
    edit_app_settings(
        app, lambda old: dataclasses.replace(old, seeded_config=tuple(sorted({*old.seeded_config, *given})))
    )
    tell(app, seeds, console)


def refuse_missing(app: AppLayout, seeds: Seeds) -> None:
    """Raises ToppcloudError with the line that sets all of them."""
    if not seeds.missing:
        return
    names = [entry.name for entry in seeds.missing]
    described = [f"{entry.name}: {entry.description[:200]}" for entry in seeds.missing if entry.description]
    raise ToppcloudError(
        f"app.json requires {' and '.join(names)}, which {_render_are(names)} not set.",
        "\n".join(described),
        f"toppcloud config:set -a {app.name} {' '.join(f'{name}=…' for name in names)}\nThen push again.",
        reason="required config is missing",
    )


def tell(app: AppLayout, seeds: Seeds, console: Console) -> None:
    """Names only."""
    if seeds.defaults:
        console.step(f"app.json: {', '.join(sorted(seeds.defaults))} set")
    if seeds.secrets:
        console.step(f"app.json: {', '.join(sorted(seeds.secrets))} made up; see: toppcloud config --show")
    if seeds.unset:
        console.warning(f"app.json names {', '.join(seeds.unset)}, which {_render_are(seeds.unset)} not set.")
        line = " ".join(f"{name}=…" for name in seeds.unset)
        console.warning(f"If the app needs that: toppcloud config:set -a {app.name} {line}")


def _render_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
