"""The PostgreSQL service: one role and one database per app, on the embedded server or on one of the operator's own.

Facts of a binding: {"server": "embedded", "database": "blog_3fa9c17d0b52", "password": "..."}, and for a server of
the operator's own {"server": "admin", "host": "db.example.com", "port": "5432", ...}: an app stays where its data is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from psycopg2.extensions import parse_dsn

from deploy.services.embedded_postgres import HOST, read_port, read_superuser, start_embedded
from deploy.services.postgres_database import (
    PostgresUnreachable,
    drop_database,
    has_database,
    lock_out,
    make_database,
    make_role,
    open_cursor,
    read_status,
)
from deploy.services.postgres_dump import write_dump
from deploy.services.postgres_names import (
    SCHEMES,
    DatabaseAddress,
    make_database_name,
    make_password,
    render_variables,
)
from deploy.services.postgres_programs import choose_client_programs, choose_reachable
from deploy.services.service import Binding, BindingState, ServiceStatus
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.node import Node
from toppcloud.secret import Secret

EMBEDDED, ADMIN = "embedded", "admin"
_LOGIN_PARTS = ("host", "port", "user", "password", "dbname")


@dataclasses.dataclass(frozen=True)
class PostgresService:
    """See deploy.services.service.Service."""

    name: str = "postgres"

    def parse_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """{"scheme": "postgres"}: how DATABASE_URL begins."""
        for key in options:
            if key != "scheme":
                raise ToppcloudError(
                    f"postgres has no option '{key}'.{suggest_nearest(key, ['scheme'])}",
                    "Its one option is scheme.",
                    "Example: toppcloud services:add postgres --scheme postgres",
                )
        if options.get("scheme", SCHEMES[0]) not in SCHEMES:
            raise ToppcloudError(
                f"DATABASE_URL cannot begin with '{options['scheme']}://'.",
                f"Known schemes: {', '.join(SCHEMES)}.",
                "For other spellings set a config var of your own from PG_DBHOST, PG_DBNAME and so on.",
            )
        return dict(options)

    def plan(self, node: Node, app: AppLayout) -> dict[str, str]:
        facts = {"database": make_database_name(app.name), "password": str(make_password())}
        if not node.settings.postgres_url:
            return {"server": EMBEDDED, **facts}
        admin = parse_admin_url(node.settings.postgres_url)
        return {"server": ADMIN, "host": admin.host, "port": str(admin.port), **facts}

    def attach(self, node: Node, app: AppLayout, binding: Binding) -> ServiceStatus:
        if binding.state is BindingState.READY:
            try:
                return read_status(locate_database(node, binding))
            except PostgresUnreachable:
                return _repair(node, app, binding)
        admin = find_admin(node, binding)
        address = locate_database(node, binding)
        with open_cursor(admin) as cursor:
            make_role(cursor, address)
            make_database(cursor, address)
        return read_status(address)

    def render_variables(self, node: Node, binding: Binding) -> dict[str, str]:
        scheme = binding.options.get("scheme", SCHEMES[0])
        return render_variables(locate_database(node, binding), scheme=scheme, prefix=binding.prefix)

    def inspect(self, node: Node, app: AppLayout, binding: Binding) -> ServiceStatus:
        return read_status(locate_database(node, binding))

    def describe(self, node: Node, binding: Binding) -> dict[str, str]:
        address = locate_database(node, binding)
        where = f"{address.host}:{address.port}"
        if binding.facts["server"] == ADMIN:
            return {"server": where, "database": address.database}
        return {
            "server": f"the node's own, {where}",
            "database": address.database,
            "limits": "no TLS and no contrib extensions; a server that has them: postgres_url in node.toml",
        }

    def dump(self, node: Node, app: AppLayout, binding: Binding) -> Path | None:
        address = locate_database(node, binding)
        admin = find_admin(node, binding)
        with open_cursor(admin) as cursor:
            if not has_database(cursor, address.database):
                return None
            lock_out(cursor, address, wait_s=node.settings.drain_timeout_s)
        return write_dump(node, app, dataclasses.replace(admin, database=address.database))

    def destroy(self, node: Node, binding: Binding) -> None:
        with open_cursor(find_admin(node, binding)) as cursor:
            drop_database(cursor, locate_database(node, binding))


def find_client(node: Node, app: AppLayout, binding: Binding, name: str) -> tuple[Path, DatabaseAddress]:
    """The server's own `psql` or the like, where the app's account can run it, and how the app reaches its database."""
    address = locate_database(node, binding)
    version = PostgresService().attach(node, app, binding).version
    programs = choose_client_programs(int(version.split(".")[0]))
    return choose_reachable(node.layout.postgres, programs, node.account).path(name), address


def locate_database(node: Node, binding: Binding) -> DatabaseAddress:
    """How the app itself reaches its database."""
    facts = binding.facts
    name, password = facts["database"], Secret(facts["password"])
    if facts["server"] == EMBEDDED:
        return DatabaseAddress(HOST, read_port(node.layout), name, password, name)
    options = parse_admin_url(node.settings.postgres_url).options if node.settings.postgres_url else {}
    return DatabaseAddress(facts["host"], int(facts["port"]), name, password, name, options)


def find_admin(node: Node, binding: Binding) -> DatabaseAddress:
    """How the node reaches the server that the binding lies on; the embedded one is running then."""
    if binding.facts["server"] == EMBEDDED:
        return _find_running_embedded(node)
    admin = parse_admin_url(node.settings.postgres_url) if node.settings.postgres_url else None
    wanted = f"{binding.facts['host']}:{binding.facts['port']}"
    if admin is None or f"{admin.host}:{admin.port}" != wanted:
        raise ToppcloudError(
            f"The app's database lies on {wanted}.",
            f"postgres_url in node.toml names {f'{admin.host}:{admin.port}' if admin else 'no server'}.",
            "Put that server's admin URL back, or move the data and change services.json.",
            reason="database on another server",
        )
    return admin


def parse_admin_url(url: str) -> DatabaseAddress:
    """`postgresql://admin:secret@db.example.com/postgres?sslmode=require`. Raises ToppcloudError without showing it."""
    try:
        parts: dict[str, str] = parse_dsn(url)
        options = {key: value for key, value in parts.items() if key not in _LOGIN_PARTS}
        password, database = Secret(parts.get("password", "")), parts.get("dbname", "postgres")
        return DatabaseAddress(parts["host"], int(parts.get("port", 5432)), parts["user"], password, database, options)
    except Exception as error:  # psycopg2.ProgrammingError, KeyError or ValueError: each quotes a part of the secret
        raise ToppcloudError(
            "postgres_url in node.toml is not the URL of a PostgreSQL server.",
            "It names user, password and host.",
            "Example: postgresql://admin:secret@db.example.com:5432/postgres",
            reason="postgres_url is wrong",
        ) from error


def _find_running_embedded(node: Node) -> DatabaseAddress:
    try:
        superuser = read_superuser(node.layout)
        with open_cursor(superuser):
            return superuser
    except ToppcloudError:
        return start_embedded(node)


def _repair(node: Node, app: AppLayout, binding: Binding) -> ServiceStatus:
    """The app's own role was not let in: start the server, or set the password again; never make an empty database."""
    admin = find_admin(node, binding)
    address = locate_database(node, binding)
    with open_cursor(admin) as cursor:
        if not has_database(cursor, address.database):
            raise ToppcloudError(
                f"The database {address.database} of {app.name} is gone from {admin.host}:{admin.port}.",
                "Somebody removed it on the server. An empty one in its place could hide that.",
                f"Bring it back there, or start anew: toppcloud services:remove postgres --confirm {app.name}",
                reason="the database is gone",
            )
        make_role(cursor, address)
    return read_status(dataclasses.replace(admin, database=address.database))
