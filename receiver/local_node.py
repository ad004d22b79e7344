"""The node on this machine, as the laptop command finds it: the address in its node.toml."""

from __future__ import annotations

from collections.abc import Mapping

from receiver.remote import Remote
from toppcloud.node import choose_root
from toppcloud.settings import read_settings

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where such a listener is reached


def find_local_node(environ: Mapping[str, str]) -> Remote | None:
    """Where the node of this machine takes ssh, or None when there is none that we may look into."""
    try:
        path = choose_root(None, dict(environ)) / "node.toml"
        if not path.exists():
            return None
        host, port = read_settings(path).ssh_address
    except PermissionError:
        return None
    return Remote(_ANY.get(host, host), port, None)
