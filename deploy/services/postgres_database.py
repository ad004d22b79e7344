"""One app's role and database on some PostgreSQL server: made, looked at, removed. SQL and nothing else.

Every statement may be repeated: what a crash interrupted is completed by running it again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from deploy.services.postgres_names import DatabaseAddress
from deploy.services.service import ServiceStatus
from toppcloud.errors import ToppcloudError

OLDEST_VERSION = 13
_CONNECT_TIMEOUT_S = 5
_POLL_S = 0.1
_STATUS = """
    SELECT current_setting('server_version'), pg_database_size(current_database()),
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
"""


class PostgresUnreachable(ToppcloudError):
    """The server cannot be used: it is down, elsewhere, or wants another password."""


@contextlib.contextmanager
def open_cursor(address: DatabaseAddress) -> Iterator[Any]:
    """A cursor that commits each statement. Raises PostgresUnreachable.

    The database may be an app's, who can say there where names are looked for: only PostgreSQL's own names count.
    """
    try:
        connection = psycopg2.connect(
            **address.connect_arguments(), connect_timeout=_CONNECT_TIMEOUT_S, application_name="toppcloud"
        )
    except psycopg2.OperationalError as error:
        raise PostgresUnreachable(
            f"PostgreSQL at {address.host}:{address.port} could not be used as '{address.user}'.",
            str(error).strip(),
            "See what it says: toppcloud node doctor",
            reason="database not reachable",
        ) from error
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)")
            yield cursor
    except psycopg2.Error as error:
        raise ToppcloudError(
            f"PostgreSQL at {address.host}:{address.port} refused a change.",
            str(error).strip(),
            "Nothing was removed. Try again, or look at the server's log.",
            reason="database refused",
        ) from error
    finally:
        connection.close()


def read_status(address: DatabaseAddress) -> ServiceStatus:
    """Version, size and other connections, seen from inside the database."""
    with open_cursor(address) as cursor:
        cursor.execute(_STATUS)
        version, size_bytes, connections = cursor.fetchone()
    return ServiceStatus(version.split()[0], size_bytes, connections)


def has_database(cursor: Any, name: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    return cursor.fetchone() is not None


def make_role(cursor: Any, address: DatabaseAddress) -> None:
    """A role that may log in with its password and do nothing else, or the password set again."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [address.user])
    verb = sql.SQL("CREATE") if cursor.fetchone() is None else sql.SQL("ALTER")
    hashed = encrypt_password(str(address.password), address.user, cursor.connection)  # the server sees no password
    cursor.execute(
        sql.SQL("{} ROLE {} LOGIN NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            verb, sql.Identifier(address.user), sql.Literal(hashed)
        )
    )


def make_database(cursor: Any, address: DatabaseAddress) -> None:
    """A database of the role's own, closed until nobody else may enter."""
    _require_version(cursor)
    role, database = sql.Identifier(address.user), sql.Identifier(address.database)
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if not cursor.fetchone()[0]:
        cursor.execute(sql.SQL("GRANT {} TO current_user").format(role))  # only so may it give a database to the role
    if not has_database(cursor, address.database):
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false").format(
                database, role
            )
        )
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))


def lock_out(cursor: Any, address: DatabaseAddress, *, wait_s: float) -> None:
    """End all use by the app: wait for its connections to go, at most `wait_s`, then let it in no more."""
    deadline = time.monotonic() + wait_s
    while _count_connections(cursor, address.database) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [address.user])
    if cursor.fetchone():
        cursor.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(address.user)))
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = %s",
        [address.database, address.user],
    )


def drop_database(cursor: Any, address: DatabaseAddress) -> None:
    """Remove database and role, whoever is connected."""
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(address.database)))
    cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(address.user)))


def _count_connections(cursor: Any, database: str) -> int:
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database])
    count: int = cursor.fetchone()[0]
    return count


def _require_version(cursor: Any) -> None:
    version = cursor.connection.server_version // 10000
    if version < OLDEST_VERSION:
        raise ToppcloudError(
            f"The server in postgres_url is PostgreSQL {version}.",
            f"PostgreSQL {OLDEST_VERSION} is the oldest that this node works with.",
            "Name a newer server as postgres_url in node.toml.",
            reason="PostgreSQL too old",
        )
