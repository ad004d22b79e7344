"""The git remote that leads to an app: its address, parsed and rendered.

    ssh://toppcloud@127.0.0.1:2222/blog      toppcloud@server:blog
Source: git-fetch(1), GIT URLS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from toppcloud.errors import WRONG_USAGE, ToppcloudError
from toppcloud.names import parse_repository_path

USER = "toppcloud"
DEFAULT_NAME = "toppcloud"
SSH_PORT = 22
_USER_HOST = r"(?:(?P<user>[^@/:\s]+)@)?(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^@/:\s\[\]]+)"
_URL = re.compile(rf"(?:git\+ssh|ssh\+git|ssh)://{_USER_HOST}(?::(?P<port>[0-9]{{1,5}}))?(?P<path>/.*)\Z")
_SCP_LIKE = re.compile(rf"{_USER_HOST}:(?P<path>(?!//).*)\Z")


@dataclass(frozen=True)
class Remote:
    """Where an app lives. `app` is None when only the node is known; `port` None leaves it to ssh's own settings."""

    host: str
    port: int | None
    app: str | None
    user: str = USER

    @property
    def url(self) -> str:
        """`ssh://toppcloud@127.0.0.1:2222/blog`; an IPv6 address stands in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port in (None, SSH_PORT) else f":{self.port}"
        return f"ssh://{self.user}@{host}{port}/{self.app or ''}"


def parse_remote_url(url: str) -> Remote:
    """What `url` leads to. Raises ToppcloudError when it is not an address that ssh and the node understand."""
    match = _URL.match(url) or (None if "://" in url else _SCP_LIKE.match(url))
    if not match or match["host"].startswith("-") or (match["user"] or "").startswith("-"):
        raise ToppcloudError(
            f"The git remote's address is {url}",
            "It does not lead to a toppcloud node: that looks like ssh://toppcloud@HOST:2222/APP.",
            "Set it: toppcloud git:remote APP --host HOST",
            status=WRONG_USAGE,
        )
    port = match.groupdict().get("port")
    return Remote(
        match["host"].strip("[]"),
        int(port) if port else None,
        parse_repository_path(match["path"]),
        match["user"] or USER,
    )
