"""The host name that every app has by itself: NAME.DOMAIN. Another domain moves all of them.

`ROOT/domain` says for which domain they were made, so that one that was changed in node.toml by hand is noticed too.
"""

from __future__ import annotations

import contextlib

from toppcloud.errors import ToppcloudError
from toppcloud.files import swap_symlink, write_file
from toppcloud.layout import Layout
from toppcloud.names import parse_host


def parse_domain(text: str) -> str:
    """`Apps.Example.com` -> `apps.example.com`. Raises ToppcloudError unless NAME.DOMAIN can be a host name."""
    domain = text.lower().rstrip(".")
    try:
        return parse_host(f"name.{domain}").partition(".")[2]
    except ToppcloudError as error:
        raise ToppcloudError(
            f"'{text}' is not a domain.",
            "An app called blog answers at blog.DOMAIN.",
            "Example: --domain apps.example.com",
            status=2,
        ) from error


def move_own_hosts(layout: Layout, domain: str) -> int:
    """Let NAME.`domain` lead to each app, and NAME.OLD-DOMAIN nowhere; how many moved. May run twice.

    Raises ToppcloudError, and changes nothing, when such a name leads to another app already.
    """
    old = read_domain(layout)
    names = layout.app_names() if old not in (None, domain) else []
    for name in names:
        _refuse_taken(layout, name, f"{name}.{domain}")
    for name in names:
        swap_symlink(layout.route(f"{name}.{domain}"), f"../apps/{name}")
        if find_owner(layout, f"{name}.{old}") == name:
            layout.route(f"{name}.{old}").unlink(missing_ok=True)
    if old != domain:
        write_file(layout.domain, f"{domain}\n")
    return len(names)


def read_domain(layout: Layout) -> str | None:
    """The domain that the apps' own host names were made for; None before the first start."""
    with contextlib.suppress(FileNotFoundError):
        return layout.domain.read_text().strip()
    return None


def find_owner(layout: Layout, host: str) -> str | None:
    """The app that `host` leads to, or None."""
    try:
        return layout.route(host).readlink().name
    except OSError:
        return None


def _refuse_taken(layout: Layout, name: str, host: str) -> None:
    parse_host(host)  # a long domain and a long name may be too long together
    owner = find_owner(layout, host)
    if owner not in (None, name):
        raise ToppcloudError(
            f"{host} leads to {owner}, and would be the name that {name} has by itself.",
            "A host name leads to one app.",
            f"Take it away there first: toppcloud domains:remove {host} -a {owner}",
        )
