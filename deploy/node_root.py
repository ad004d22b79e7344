"""Making a root folder: the accounts that the node switches to, its folders and their modes. May run twice."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from toppcloud.account import Account, find_account, this_account
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.program import ProgramFailed, run
from toppcloud.settings import NodeSettings

_CLOSED = 0o700
_OPEN = 0o755
_USERADD_TIMEOUT_S = 30.0


def check_root(root: Path) -> None:
    """Refuse a path that some configuration could not hold, or that no folder can have."""
    if any(not c.isprintable() for c in str(root)):
        raise ToppcloudError(
            "The node's folder has a name that cannot be used.",
            f"{str(root)!r} holds a control character.",
            "Choose another: toppcloud node start --root DIR",
        )
    nearest = next(path for path in (root, *root.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        raise ToppcloudError(
            f"The node's folder cannot be {root}.",
            f"{nearest} is not a folder.",
            "Choose another: toppcloud node start --root DIR",
        )


def make_accounts(settings: NodeSettings) -> tuple[Account, ...]:
    """The users that run what is not ours: apps, database, router. As an ordinary user that is ourselves."""
    if os.geteuid() != 0:
        return (this_account(),)
    apps = _make_account(settings.app_user)
    return apps, _make_account(settings.database_user), _make_account(settings.router_user, group=apps.gid)


def _make_account(name: str, *, group: int | None = None) -> Account:
    found = find_account(name)
    if found is None:
        words = ["--gid", str(group)] if group is not None else ["--user-group"]
        options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
        try:
            run(["useradd", *options, *words, name], timeout_s=_USERADD_TIMEOUT_S)
        except ProgramFailed:
            if find_account(name) is None:  # else another node's start has just made it
                raise
        found = find_account(name)
    if found is None or found.uid == 0:
        raise ToppcloudError(
            f"The account '{name}' cannot be used.",
            "It could not be made." if found is None else "It is root.",
            "Name another in node.toml.",
        )
    return found


def make_root(layout: Layout, accounts: tuple[Account, ...]) -> None:
    """The root folder and those above it, as far as they are not there. One that is there keeps its mode.

    As root they are open to the accounts, whatever the umask. Raises ToppcloudError when an account cannot reach the
    root, and then leaves nothing behind.
    """
    missing = [folder for folder in (layout.root, *layout.root.parents) if not folder.is_dir()]
    mode = _OPEN if os.geteuid() == 0 else _CLOSED
    for folder in reversed(missing):
        if os.geteuid() == 0 or folder == layout.root:
            _make_folder(folder, mode)
        else:
            folder.mkdir(exist_ok=True)
    try:
        check_reachable(layout, accounts)
    except ToppcloudError:
        for folder in missing:
            with contextlib.suppress(OSError):  # somebody else's start uses it
                folder.rmdir()
        raise


def make_folders(layout: Layout) -> None:
    """All folders of a node."""
    for folder in (layout.apps, layout.routes, layout.services, layout.pythons, layout.cache, layout.run):
        _make_folder(folder, _OPEN)
    outputs = layout.output_pipe("any").parent
    for folder in (layout.people, layout.kept, layout.log, layout.pids, layout.programs, outputs):
        _make_folder(folder, _CLOSED)


def _make_folder(folder: Path, mode: int) -> None:
    folder.mkdir(mode=mode, exist_ok=True)
    folder.chmod(mode)


def check_reachable(layout: Layout, accounts: tuple[Account, ...]) -> None:
    """Refuse a root that an account cannot enter, with the line to type."""
    for account in accounts:
        closed = account.find_closed(layout.root)
        if closed is not None:
            raise ToppcloudError(
                f"The account '{account.name}' cannot reach the node's folder.",
                f"{closed} is closed to it, and apps run as that account.",
                f"Open it: chmod o+x {closed}\nor choose another: toppcloud node start --root /srv/toppcloud",
            )
