"""Virtualenvs: shared by an app's releases under a key, made aside, renamed when whole, never altered afterwards.

venvs/3f9c0a81b2d4e6f7/toppcloud.json     what it was made from; written before the rename
A project that installs itself gets a private one, in its slug.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpacks.bytecode import Compilation, compile_files, find_same_file, list_compilations, reuse_bytecode
from buildpacks.dependencies import hash_local
from buildpacks.distributions import read_distributions
from buildpacks.editable import rebase_editables
from buildpacks.installer import Installation, fill_virtualenv
from toppcloud.acting import act_as
from toppcloud.app_layout import AppLayout, SlugLayout
from toppcloud.console import Console
from toppcloud.files import read_json, remove_tree, swap_symlink, write_json
from toppcloud.tree import take_folders

RECORD = "toppcloud.json"
_KEY_LENGTH = 16
_FORMAT = 1


@dataclass(frozen=True)
class Virtualenv:
    """One that is whole. `key` is None for a private one."""

    path: Path
    key: str | None
    is_new: bool
    distributions: Mapping[str, str]
    added: tuple[str, ...]
    """What was installed though the app did not ask for it."""


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
    if installation.dependencies.installs_itself:
        return _make_private(slug, installation, older, console)
    key = compute_key(installation, keyed)
    path = app.venv(key)
    swap_symlink(slug.venv, Path("../../venvs", key))  # before it exists: what a slug links to is never collected
    found = read_virtualenv(path, key)
    return found or _make_shared(app, key, installation, older, console)


def compute_key(installation: Installation, keyed: Mapping[str, str]) -> str:
    """16 hexadecimal digits over everything that decides what is installed."""
    dependencies = installation.dependencies
    parts = [
        _FORMAT,
        dependencies.manager,
        dependencies.lock_text,
        installation.interpreter.build,
        installation.servers,
        sorted(keyed.items()),
        hash_local(installation.source, dependencies.local) if dependencies.local else "",
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_KEY_LENGTH]


def read_virtualenv(path: Path, key: str | None) -> Virtualenv | None:
    """The whole virtualenv at `path`; None when it is not there, was never finished, or its interpreter is gone."""
    record: dict[str, Any] | None = read_json(path / RECORD)
    if record is None or not (path / "bin/python").exists():
        return None
    return Virtualenv(path, key, False, record["distributions"], tuple(record["added"]))


def collect_unused_venvs(app: AppLayout, keys_in_use: set[str]) -> None:
    """Remove shared virtualenvs that no slug leads to, and what killed builds left. The folder is listed before the
    links are read, so one that is made meanwhile is safe: its link is there first."""
    try:
        names = [path.name for path in app.venvs.iterdir()]
    except FileNotFoundError:
        return
    kept = set(keys_in_use)
    for link in app.slugs.glob("*/venv"):
        with contextlib.suppress(OSError):
            kept.add(link.readlink().name)
    for name in names:
        path = app.venv(name)
        if name.startswith("."):
            if not _is_being_made(path):
                remove_tree(path)
        elif name not in kept:
            remove_tree(path)


def _make_shared(
    app: AppLayout, key: str, installation: Installation, older: Path | None, console: Console
) -> Virtualenv:
    app.venvs.mkdir(exist_ok=True)
    final = app.venv(key)
    remove_tree(final)
    aside = app.unfinished_venv(secrets.token_hex(_KEY_LENGTH)[: _KEY_LENGTH - len(".new-")])
    with _marked_as_being_made(aside):
        try:
            venv = _fill(installation, aside, key, older, console)
            act_as(installation.node.account, functools.partial(relocate_scripts, aside, aside, final))
            _seal(aside, venv, installation)
            os.sync()
            aside.rename(final)
        except BaseException:
            remove_tree(aside)
            raise
    return Virtualenv(final, key, True, venv.distributions, venv.added)


def _make_private(slug: SlugLayout, installation: Installation, older: Path | None, console: Console) -> Virtualenv:
    path = slug.private_venv
    remove_tree(path)
    path.mkdir()
    venv = _fill(installation, path, None, older, console)
    _seal(path, venv, installation)
    swap_symlink(slug.venv, path.name)
    return venv


def _fill(installation: Installation, path: Path, key: str | None, older: Path | None, console: Console) -> Virtualenv:
    """Install into the empty folder `path` and compile. What packages put there may be traps: root stays out."""
    node = installation.node
    node.account.own(path)
    node.account.own_tree(installation.source)
    added = fill_virtualenv(installation, path, console)
    tidy = functools.partial(_tidy, path, installation.source, installation.interpreter.cache_tag, older)
    compile_files(
        installation.interpreter.executable,
        [Compilation(Path(source), Path(target), shown) for source, target, shown in act_as(node.account, tidy)],
        node.account,
        timeout_s=node.settings.build_timeout_s,
        is_cancelled=installation.is_cancelled,
    )
    return Virtualenv(path, key, True, read_distributions(path), added)


def _tidy(venv: Path, source: Path, cache_tag: str, older: Path | None) -> list[tuple[str, str, str]]:
    """After the installer. Returns what is still to be compiled, as source, target and shown name."""
    rebase_editables(venv, source)
    (venv / ".lock").unlink(missing_ok=True)
    compilations = list(list_compilations(venv / "lib", cache_tag, skipped=("tests",)))
    if older is not None:
        compilations = reuse_bytecode(compilations, find_same_file(venv / "lib", older / "lib"))
    return [(str(item.source), str(item.target), item.shown) for item in compilations]


def _render_record(venv: Virtualenv, installation: Installation) -> dict[str, Any]:
    interpreter, dependencies = installation.interpreter, installation.dependencies
    return {
        "format": _FORMAT,
        "key": venv.key,
        "python": {"executable": str(interpreter.executable), "version": interpreter.version},
        "manager": dependencies.manager,
        "lock_hash": dependencies.lock_hash,
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


def _seal(path: Path, venv: Virtualenv, installation: Installation) -> None:
    """Write the record. Nothing else is added or removed: as root the folders become root's, else read-only."""
    record = _render_record(venv, installation)
    if not installation.node.account.is_self:
        take_folders(path)
        write_json(path / RECORD, record)
        return
    write_json(path / RECORD, record)
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o555)


@contextlib.contextmanager
def _marked_as_being_made(path: Path) -> Iterator[None]:
    """Make the folder `path` and hold a lock on it, which ends with this process whatever happens to it."""
    path.mkdir(mode=0o755)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _is_being_made(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
