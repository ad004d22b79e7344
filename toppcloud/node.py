"""A node: its folder, its settings, and the account that runs what people push. Passed to all that acts on it."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from toppcloud.account import Account, find_account, this_account
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.settings import NodeSettings, read_settings


@dataclass(frozen=True)
class Node:
    """What every command and daemon of a node starts from."""

    layout: Layout
    settings: NodeSettings
    account: Account
    """Who runs pushed code. The node's own user, unless that is root."""


def open_node(root: Path) -> Node:
    """The node in `root`. Raises ToppcloudError when there is none, or when root has no account for apps."""
    layout = Layout(root)
    if not layout.node_toml.exists():
        raise ToppcloudError(
            f"There is no node in {root}.", "It has no node.toml.", f"Start one: toppcloud node start --root {root}"
        )
    settings = read_settings(layout.node_toml)
    return Node(layout, settings, choose_account(settings))


def choose_account(settings: NodeSettings) -> Account:
    """Ourselves; the account named in node.toml when we are root."""
    if os.geteuid() != 0:
        return this_account()
    account = find_account(settings.app_user)
    if account is None or account.uid == 0:
        raise ToppcloudError(
            f"The account '{settings.app_user}' cannot run apps.",
            "It does not exist." if account is None else "It is root, and no app ever runs as root.",
            "Name another as app_user in node.toml, or: toppcloud node start",
        )
    return account


def choose_root(option: str | None, environ: dict[str, str]) -> Path:
    """The node's folder: `--root`, else $TOPPCLOUD_ROOT, else ~/.toppcloud (as root /var/lib/toppcloud)."""
    if chosen := option or environ.get("TOPPCLOUD_ROOT"):
        return Path(os.path.abspath(Path(chosen).expanduser()))  # noqa: PTH100 - resolve() would follow links
    if os.geteuid() == 0:
        return Path("/var/lib/toppcloud")
    return Path(environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir) / ".toppcloud"
