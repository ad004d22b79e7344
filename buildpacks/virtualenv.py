"""Virtualenvs: shared by an app's releases under a key, made aside, renamed when whole, never altered afterwards.

venvs/3f9c0a81b2d4e6f7/toppcloud.json       what it was made from; written before the rename
venvs/3f9c0a81b2d4e6f7.9c04/toppcloud.json  one of the same recipe that was made afresh: the newest is used from then on
A project that installs itself gets a private one, in its slug.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpacks.bytecode import (
    Compilation,
    choose_as,
    compile_files,
    find_same_file,
    list_compilations,
    reuse_bytecode,
)
from buildpacks.bytecode_pool import fill_pool, find_pooled, locate_pool
from buildpacks.distributions import read_distributions
from buildpacks.editable import rebase_editables
from buildpacks.installer import Installation, fill_virtualenv
from buildpacks.recipe import Recipe, compute_key, parse_recipe, read_recipe
from buildpacks.uv import make_folder
from toppcloud.account import Account
from toppcloud.acting import act_as
from toppcloud.app_layout import AppLayout, SlugLayout, list_names
from toppcloud.console import Console
from toppcloud.files import read_json, remove_tree, swap_symlink, write_json
from toppcloud.lock import claim_folder, hold_folder, hold_lock
from toppcloud.tree import take_folders

RECORD = "toppcloud.json"
BASE = "base"
"""In the record of a private copy: which shared one it was made from. The next build wants that again."""
_FORMAT = 1
_LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Virtualenv:
    """One that is whole. `key` is None for a private one."""

    path: Path
    key: str | None
    is_new: bool
    distributions: Mapping[str, str]
    added: tuple[str, ...]
    """What was installed though the app did not ask for it."""
    recipe: Recipe | None = None
    """What it was made from. None: an older toppcloud made it, and did not say."""


def ensure_virtualenv(
    app: AppLayout,
    slug: SlugLayout,
    installation: Installation,
    keyed: Mapping[str, str],
    older: Path | None,
    console: Console,
) -> Virtualenv:
    """The virtualenv for the slug: an existing one of the same key, else a new one. The slug's link leads to it.

    `keyed` are the variables that decide what an installation yields; `older` is a virtualenv to take bytecode from.
    """
    recipe = read_recipe(installation, keyed)
    if installation.dependencies.installs_itself:
        return _make_private(slug, recipe, installation, older, console)
    key = compute_key(recipe, keyed)
    with hold_lock(app.venvs_lock, by="build", doing="choosing a virtualenv", timeout_s=_LOCK_TIMEOUT_S):
        found = None if installation.is_fresh else find_newest(app, key)
        name = found.path.name if found else choose_name(app, key)
        swap_symlink(slug.venv, Path("../../venvs", name))  # what a slug leads to is not collected
    return found or _make_shared(app, name, recipe, installation, older, console)


def find_newest(app: AppLayout, key: str) -> Virtualenv | None:
    """The whole virtualenv of that recipe; of several the one that was made last."""
    paths = [app.venv(key), *app.venvs.glob(f"{key}.*")]
    found = [venv for path in paths if (venv := read_virtualenv(path, path.name))]
    return max(found, key=lambda venv: (venv.path / RECORD).stat().st_mtime_ns, default=None)


def choose_name(app: AppLayout, key: str) -> str:
    """For a new one of that recipe. What lies there already is left alone: releases may run in it."""
    return f"{key}.{secrets.token_hex(2)}" if app.venv(key).exists() else key


def read_virtualenv(path: Path, key: str | None) -> Virtualenv | None:
    """The whole virtualenv at `path`; None when it is not there, was never finished, or its interpreter is gone."""
    record: dict[str, Any] | None = read_json(path / RECORD)
    if record is None or not (path / "bin/python").exists():
        return None
    recipe = parse_recipe(record.get("recipe"))
    return Virtualenv(path, key, False, record["distributions"], tuple(record["added"]), recipe)


def collect_unused_venvs(app: AppLayout, keys_in_use: set[str]) -> None:
    """Remove shared virtualenvs that no slug leads to, and what killed builds left.

    They are renamed first, under the lock under which a build chooses one: none that goes can still be chosen.
    """
    with hold_lock(app.venvs_lock, by="build", doing="collecting virtualenvs", timeout_s=_LOCK_TIMEOUT_S):
        kept = keys_in_use | {link.readlink().name for link in app.slugs.glob("*/venv") if link.is_symlink()}
        kept |= {read_json(record, {}).get(BASE) for record in app.slugs.glob(f"*/private-venv/{RECORD}")}
        for name in [name for name in list_names(app.venvs) if not name.startswith(".") and name not in kept]:
            app.venv(name).rename(app.unfinished_venv(secrets.token_hex(4)))
    for name in [name for name in list_names(app.venvs) if name.startswith(".")]:
        with claim_folder(app.venv(name)) as is_left:
            if is_left:
                remove_tree(app.venv(name))


def _make_shared(
    app: AppLayout, name: str, recipe: Recipe, installation: Installation, older: Path | None, console: Console
) -> Virtualenv:
    account = installation.node.account
    app.venvs.mkdir(exist_ok=True)
    final = app.venv(name)
    aside = app.unfinished_venv(secrets.token_hex(4))
    with hold_folder(aside):
        try:
            venv = _fill(installation, aside, name, recipe, older, console)
            act_as(account, functools.partial(relocate_scripts, aside, aside, final))
            seal_virtualenv(aside, render_record(venv, installation), account)
            os.sync()
            aside.rename(final)
        except BaseException:
            remove_tree(aside)
            raise
    return dataclasses.replace(venv, path=final)


def _make_private(
    slug: SlugLayout, recipe: Recipe, installation: Installation, older: Path | None, console: Console
) -> Virtualenv:
    path = slug.private_venv
    remove_tree(path)
    path.mkdir()
    venv = _fill(installation, path, None, recipe, older, console)
    seal_virtualenv(path, render_record(venv, installation), installation.node.account)
    swap_symlink(slug.venv, path.name)
    return venv


def _fill(
    installation: Installation, path: Path, key: str | None, recipe: Recipe, older: Path | None, console: Console
) -> Virtualenv:
    """Install into the empty folder `path` and compile. What packages put there may be traps: root stays out."""
    node = installation.node
    node.account.own(path)
    node.account.own_tree(installation.source)
    added = fill_virtualenv(installation, path, console)
    cache_tag = installation.interpreter.cache_tag
    pool = None if installation.is_fresh else locate_pool(node.layout, cache_tag)
    tidy = functools.partial(_tidy, path, installation.source, cache_tag, older, pool)
    compilations = choose_as(node.account, tidy)
    compile_files(
        installation.interpreter.executable,
        compilations,
        node.account,
        timeout_s=node.settings.build_timeout_s,
        is_cancelled=installation.is_cancelled,
    )
    if pool and compilations:
        make_folder(node.layout.bytecode_cache, node.account)
        act_as(node.account, functools.partial(fill_pool, pool, compilations))
    return Virtualenv(path, key, True, read_distributions(path), added, recipe)


def _tidy(venv: Path, source: Path, cache_tag: str, older: Path | None, pool: Path | None) -> list[Compilation]:
    """After the installer. Returns what is still to be compiled.

    Bytecode that packages bring themselves does not count, and must not get into the pool.
    """
    rebase_editables(venv, source)
    (venv / ".lock").unlink(missing_ok=True)
    compilations = list(list_compilations(venv / "lib", cache_tag, skipped=("tests",)))
    if older is not None:
        compilations = reuse_bytecode(compilations, find_same_file(venv / "lib", older / "lib"))
    if pool is not None:
        compilations = reuse_bytecode(compilations, find_pooled(pool))
    for item in compilations:
        with contextlib.suppress(OSError):
            item.target.unlink()
    return compilations


def render_record(venv: Virtualenv, installation: Installation) -> dict[str, Any]:
    """What toppcloud.json says: of what it was made, and what is in it."""
    interpreter, dependencies = installation.interpreter, installation.dependencies
    return {
        "format": _FORMAT,
        "key": venv.key,
        "python": {"executable": str(interpreter.executable), "version": interpreter.version},
        "manager": dependencies.manager,
        "lock_hash": dependencies.lock_hash,
        "recipe": dataclasses.asdict(venv.recipe) if venv.recipe else None,
        "distributions": dict(venv.distributions),
        "added": list(venv.added),
    }


def move_virtualenvs(app: AppLayout, before: AppLayout) -> None:
    """After the app's folder was renamed, `before` being what it was: the scripts of its virtualenvs start again."""
    shared = [(path, before.venvs / path.name) for path in app.venvs.glob("[!.]*")]
    private = [
        (slug.private_venv, before.slug(path.name).private_venv)
        for path in app.slugs.glob("[!.]*")
        if (slug := app.slug(path.name)).private_venv.is_dir()
    ]
    for venv, old in [*shared, *private]:
        scripts = venv / "bin"
        if not scripts.is_dir():
            continue
        mode = stat.S_IMODE(scripts.stat().st_mode)
        scripts.chmod(0o755)
        relocate_scripts(venv, old, venv)
        scripts.chmod(mode)


def relocate_scripts(venv: Path, old_path: Path, new_path: Path) -> None:
    """Put the path that the virtualenv will have into its scripts, in place of the one that they were written for."""
    old, new = os.fsencode(old_path), os.fsencode(new_path)
    for path in (venv / "bin").iterdir():
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            is_script = file.read(2) == b"#!" or path.name.startswith("activate")
        content = path.read_bytes() if is_script else b""
        if old in content:
            aside = path.with_name(f".{path.name}.new")
            aside.unlink(missing_ok=True)
            aside.write_bytes(content.replace(old, new))
            aside.chmod(0o755)
            aside.replace(path)


def seal_virtualenv(path: Path, record: Mapping[str, Any], account: Account) -> None:
    """Write the record. Nothing else is added or removed: as root the folders become root's, else read-only.

    The record comes when root has closed them, so that nobody puts anything in its place.
    """
    if not account.is_self:
        take_folders(path)
        path.chmod(0o755)
    if (path / RECORD).is_dir():  # a package or a hook has made it
        remove_tree(path / RECORD)
    write_json(path / RECORD, record)
    if account.is_self:
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o555)
