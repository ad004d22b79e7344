"""domains: the host names that lead to an app. Routes are links, so each change counts at once."""

from __future__ import annotations

from deploy.app import add_route, list_hosts, remove_route, require_app
from deploy.own_hosts import find_owner
from receiver.session import Session
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.lock import hold_lock
from toppcloud.names import parse_app_name, parse_host
from toppcloud.node import Node

_LOCK_TIMEOUT_S = 10.0


def list_domains(session: Session, *, app: str, as_json: bool) -> None:
    """The app's own host first, then the others."""
    node = session.node
    own = node.settings.host(app)
    hosts = sorted(list_hosts(node, require_app(node, app)), key=lambda host: (host != own, host))
    if as_json:
        session.print_json([{"host": host, "url": node.settings.url(host), "own": host == own} for host in hosts])
        return
    session.print_table((host, node.settings.url(host), "its own" if host == own else "") for host in hosts)


def add(session: Session, *, app: str, hosts: tuple[str, ...]) -> None:
    """Lead all of `hosts` to the app, or none of them."""
    node = session.node
    layout = require_app(node, app)
    with hold_lock(node.layout.routes_lock, by=session.person, doing="adding domains", timeout_s=_LOCK_TIMEOUT_S):
        wanted = [parse_host(host) for host in hosts]
        known = set(list_hosts(node, layout))
        for host in wanted:
            if host not in known:
                _refuse_foreign_host(node, app, host)
        for host in wanted:
            add_route(node, layout, host)
    for host in wanted:
        session.write(f"{node.settings.url(host)} leads to {app}{' already' if host in known else ''}.")


def remove(session: Session, *, app: str, hosts: tuple[str, ...]) -> None:
    """Lead all of `hosts` nowhere, or none of them."""
    node = session.node
    layout = require_app(node, app)
    with hold_lock(node.layout.routes_lock, by=session.person, doing="removing domains", timeout_s=_LOCK_TIMEOUT_S):
        doomed = [parse_host(host) for host in hosts]
        known = list_hosts(node, layout)
        for host in doomed:
            if host == node.settings.host(app):
                raise ToppcloudError(
                    f"{host} is the name that {app} has by itself.", "It stays as long as the app does."
                )
            if host not in known:
                near = suggest_nearest(host, known)
                raise ToppcloudError(f"{host} does not lead to {app}.{near}", cure=f"See: toppcloud domains -a {app}")
        for host in doomed:
            remove_route(node, host)
    for host in doomed:
        session.write(f"{host} leads nowhere now.")


def _refuse_foreign_host(node: Node, app: str, host: str) -> None:
    owner = find_owner(node.layout, host)
    if owner:
        raise ToppcloudError(
            f"{host} leads to {owner} and not to {app}.",
            "A host name leads to one app.",
            f"Take it away there first: toppcloud domains:remove {host} -a {owner}",
        )
    label, _, rest = host.partition(".")
    if rest == node.settings.domain and _is_app_name(label):
        raise ToppcloudError(
            f"{host} is kept for an app called '{label}'.",
            f"On this node NAME.{node.settings.domain} leads to the app NAME.",
            f"Rename the app: toppcloud apps:rename {label} -a {app}",
        )


def _is_app_name(text: str) -> bool:
    try:
        return bool(parse_app_name(text))
    except ToppcloudError:
        return False
