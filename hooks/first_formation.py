"""How many of each process the first release has, as app.json says: {"formation": {"worker": {"quantity": 2}}}."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from deploy.app_settings import AppSettings, edit_app_settings, read_app_settings
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.slug import Slug


@contextlib.contextmanager
def hold_first_formation(app: AppLayout, slug: Slug, console: Console) -> Iterator[None]:
    """Scale the types that nobody scaled, before the app's first release. What fails inside takes it back."""
    scaled = read_app_settings(app).formation
    wanted = {name: count for name, count in slug.formation.items() if name in slug.processes and name not in scaled}
    if app.live_number() is not None or not wanted:
        yield
        return

    def give(settings: AppSettings) -> AppSettings:
        return dataclasses.replace(settings, formation={**wanted, **settings.formation})

    def take_back(settings: AppSettings) -> AppSettings:
        left = {name: count for name, count in settings.formation.items() if wanted.get(name) != count}
        return dataclasses.replace(settings, formation=left)

    edit_app_settings(app, give)
    console.step(f"app.json: {', '.join(f'{name}={count}' for name, count in wanted.items())}")
    try:
        yield
    except BaseException:
        if app.live_number() is None:
            edit_app_settings(app, take_back)
        raise
