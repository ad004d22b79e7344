"""The buildpacks that an app is built with, as commands change them: names and addresses, numbered from 1.

("https://github.com/heroku/heroku-buildpack-apt", "python")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from buildpacks.registry import BUILT_IN, normalize_name, refuse_twice, show_name
from deploy.app_settings import AppSettings, edit_app_settings, read_app_settings, update_app_settings
from deploy.release import read_live_release
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.slug import read_slug

_WHERE = "toppcloud buildpacks"

Buildpacks = tuple[str, ...]


def read_buildpacks(app: AppLayout) -> Buildpacks:
    """What was set. Empty: the project's own files tell."""
    return read_app_settings(app).buildpacks


def show_buildpacks(names: Buildpacks) -> list[str]:
    """For people: without credentials."""
    return [show_name(name) for name in names]


def read_live_buildpacks(app: AppLayout) -> Buildpacks:
    """What the live release was built by, as `python 2` or `https://…#a41c9e2`."""
    live = read_live_release(app)
    slug = read_slug(app.slug(live.slug)) if live else None
    return tuple(slug.buildpack.split(", ")) if slug else ()


def set_buildpacks(app: AppLayout, names: Buildpacks, index: int | None) -> Buildpacks:
    """One name takes the place of number `index`, else of the first; several are the whole list."""
    wanted = tuple(normalize_name(name) for name in names)
    if len(wanted) > 1 and index is not None:
        raise ToppcloudError("--index goes with one buildpack.", cure="To set the whole list, leave it out.", status=2)

    def edit(now: Buildpacks) -> Buildpacks:
        if len(wanted) > 1:
            return wanted
        place = min(_place(index or 1), len(now))
        return (*now[:place], *wanted, *now[place + 1 :])

    return _change(app, edit)


def add_buildpack(app: AppLayout, name: str, index: int | None) -> Buildpacks:
    """At the end, or as number `index`, before the one that has it now."""
    wanted = normalize_name(name)

    def edit(now: Buildpacks) -> Buildpacks:
        place = len(now) if index is None else _place(index)
        return (*now[:place], wanted, *now[place:])

    return _change(app, edit)


def remove_buildpack(app: AppLayout, name: str | None, index: int | None) -> Buildpacks:
    """By name, or by number. Returns what is left."""
    if (name is None) == (index is None):
        example = "Example: toppcloud buildpacks:remove --index 2"
        raise ToppcloudError("Say which: its name, or its number.", cure=example, status=2)

    def edit(now: Buildpacks) -> Buildpacks:
        place = _find(app, now, name) if name is not None else _place(index or 0)
        if place >= len(now):
            has = f"It has {len(now)}."
            raise ToppcloudError(f"{app.name} has no buildpack number {index}.", has, "See: toppcloud buildpacks")
        return (*now[:place], *now[place + 1 :])

    return _change(app, edit)


def clear_buildpacks(app: AppLayout) -> None:
    """From then on the project's own files tell."""
    update_app_settings(app, buildpacks=())


def _change(app: AppLayout, edit: Callable[[Buildpacks], Buildpacks]) -> Buildpacks:
    """Edits begin with what is set; when nothing is, with what was detected for the live release."""

    def change(settings: AppSettings) -> AppSettings:
        changed = edit(settings.buildpacks or _detected(app))
        refuse_twice(changed, _WHERE)
        return dataclasses.replace(settings, buildpacks=changed)

    return edit_app_settings(app, change).buildpacks


def _detected(app: AppLayout) -> Buildpacks:
    names = tuple(text.partition(" ")[0] for text in read_live_buildpacks(app))
    return names if all(name in BUILT_IN for name in names) else ()


def _place(index: int) -> int:
    if index < 1:
        raise ToppcloudError(f"{index} is no number of a buildpack.", "The first one is 1.", status=2)
    return index - 1


def _find(app: AppLayout, now: Buildpacks, name: str) -> int:
    known = show_buildpacks(now)
    wanted = name.removeprefix("heroku/") if name.removeprefix("heroku/") in now else name
    for place, (text, shown) in enumerate(zip(now, known, strict=True)):
        if wanted in (text, shown):
            return place
    near = suggest_nearest(name, known)
    has = f"It has: {', '.join(known)}." if now else "None is set; the project's own files tell."
    raise ToppcloudError(f"{app.name} has no buildpack '{name[:100]}'.{near}", has, "See: toppcloud buildpacks")
