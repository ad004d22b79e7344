"""A virtualenv that a step of the app's may change: a copy for this slug alone, kept only when it was changed.

Other releases run in the shared one, whose files may be links into uv's cache too: nothing may write to those.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpacks.buildpack import PythonPart, Workshop
from buildpacks.bytecode import Compilation, choose_as, compile_files, list_compilations
from buildpacks.distributions import read_distributions
from buildpacks.uv import find_uv
from buildpacks.virtualenv import BASE, RECORD, relocate_scripts, seal_virtualenv
from toppcloud.account import Account
from toppcloud.acting import act_as
from toppcloud.app_layout import SlugLayout
from toppcloud.disk import refusing_full_disk
from toppcloud.files import read_json, remove_tree, swap_symlink
from toppcloud.program import run

_COPY_TIMEOUT_S = 600.0
_Snapshot = Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True)
class PrivateCopy:
    """The slug's `private-venv`, which its link leads to while a step runs."""

    slug: SlugLayout
    shared: Path | None
    """Where the link led before, as it was written; None when the slug had one of its own already."""
    before: _Snapshot
    record: Mapping[str, Any]
    """What toppcloud.json said."""


def open_private_copy(slug: SlugLayout, account: Account) -> PrivateCopy:
    """Let the account change what the slug's link leads to."""
    target, path = slug.venv.readlink(), slug.private_venv
    record = read_json(slug.venv / RECORD, {})
    if target.name == path.name:
        _open(path, account)
        return PrivateCopy(slug, None, _look_at(path), record)
    shared = slug.venv.resolve()
    remove_tree(path)
    path.mkdir()
    account.own(path)
    argv = ["cp", "--archive", "--reflink=auto", "--", f"{shared}/.", str(path)]
    with refusing_full_disk(path):
        run(argv, account=account, timeout_s=_COPY_TIMEOUT_S)
    _open(path, account)
    act_as(account, functools.partial(relocate_scripts, path, shared, path))
    swap_symlink(slug.venv, path.name)
    return PrivateCopy(slug, target, _look_at(path), record)


def add_pip(copy: PrivateCopy, workshop: Workshop) -> PrivateCopy:
    """Let a step that says `pip` find it there: uv makes virtualenvs without. It does not count as a change."""
    path, node = copy.slug.private_venv, workshop.node
    argv = [
        str(find_uv(node.layout, node.account)),
        "pip",
        "install",
        "--quiet",
        "--python",
        f"{path}/bin/python",
        "pip",
    ]
    workshop.run(argv, workshop.environment.install)
    return dataclasses.replace(copy, before=_look_at(path))


def settle_private_copy(copy: PrivateCopy, workshop: Workshop, python: PythonPart) -> PythonPart:
    """After the step: what the slug runs in from now on. An unchanged copy goes, and the shared one is used again."""
    slug, path = copy.slug, copy.slug.private_venv
    is_changed = _look_at(path) != copy.before
    if copy.shared is not None and not is_changed:
        swap_symlink(slug.venv, copy.shared)
        remove_tree(path)
        return python
    account, settings = workshop.node.account, workshop.node.settings
    if is_changed:
        compile_files(
            Path(python.executable),
            choose_as(account, functools.partial(_list_uncompiled, path, python.cache_tag)),
            account,
            timeout_s=settings.build_timeout_s,
            is_cancelled=workshop.is_cancelled,
        )
    distributions = read_distributions(path)
    base = {BASE: copy.shared.name} if copy.shared else {}
    seal_virtualenv(path, {**copy.record, **base, "key": None, "distributions": distributions}, account)
    return dataclasses.replace(python, venv_key=None, distributions=distributions)


def _open(path: Path, account: Account) -> None:
    if account.is_self:  # else the folders were closed to the account by being root's
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o755)
    account.own_tree(path)


def _list_uncompiled(path: Path, cache_tag: str) -> list[Compilation]:
    """What the step put there. Looked at as the account: it may be a trap."""
    return [item for item in list_compilations(path / "lib", cache_tag, skipped=("tests",)) if _is_stale(item)]


def _is_stale(item: Compilation) -> bool:
    try:
        return item.target.stat().st_mtime_ns < item.source.stat().st_mtime_ns
    except OSError:
        return True


def _look_at(path: Path) -> _Snapshot:
    """What lies there, but for bytecode: enough to see any change of a file. Folders too deep to be sealed are none."""
    found = {}
    with contextlib.suppress(RecursionError):
        for folder, folders, names in os.walk(path):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in (*names, *links):
                file = Path(folder, name)
                info = file.lstat()
                found[str(file)] = (info.st_ino, info.st_ctime_ns, info.st_size)
    return found
