"""Names and passwords in PostgreSQL, and the variables that an app is given for them. Pure, but for chance."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from toppcloud.secret import Secret

SCHEMES = ("postgresql", "postgres")
DEFAULT_PREFIX = "DATABASE"


@dataclass(frozen=True)
class DatabaseAddress:
    """All that a program needs to reach one database."""

    host: str
    port: int
    user: str
    password: Secret
    database: str
    options: dict[str, str] = field(default_factory=dict)
    """libpq's connection parameters besides those: {"sslmode": "require"}."""

    def connect_arguments(self) -> dict[str, str | int]:
        """What psycopg2.connect and libpq call these things."""
        return {
            **self.options,
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": str(self.password),
            "dbname": self.database,
        }

    def libpq_environment(self) -> dict[str, str]:
        """For libpq's own programs: no password in argv."""
        options = {f"PG{name.upper()}": value for name, value in self.options.items()}
        return {**options, **_libpq_variables(self)}


def make_database_name(app: str) -> str:
    """`my-blog` -> `my_blog_3fa9c17d0b52`: for role and database alike; a later app of that name gets another."""
    return f"{re.sub(r'[^a-z0-9]', '_', app)}_{secrets.token_hex(6)}"


def make_password() -> Secret:
    """192 random bits that need no quoting anywhere."""
    return Secret(secrets.token_hex(24))


def render_url(address: DatabaseAddress, scheme: str) -> str:
    """`postgresql://blog_3fa9:secret@127.0.0.1:23456/blog_3fa9`; a socket folder as host is percent-encoded."""
    host = f"[{address.host}]" if ":" in address.host else quote(address.host, safe="")
    login = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}"
    query = f"?{urlencode(address.options, quote_via=quote)}" if address.options else ""
    return f"{scheme}://{login}@{host}:{address.port}/{quote(address.database, safe='')}{query}"


def render_variables(address: DatabaseAddress, *, scheme: str, prefix: str) -> dict[str, str]:
    """DATABASE_URL, PG_DBNAME …, and libpq's PGHOST …. With a prefix: ANALYTICS_URL, ANALYTICS_PG_DBNAME …, no PGHOST.

    libpq's names are what any program takes without being told, so they are left to the app's own database.
    """
    url = {f"{prefix or DEFAULT_PREFIX}_URL": render_url(address, scheme)}
    parts = {
        "PG_DBNAME": address.database,
        "PG_DBUSER": address.user,
        "PG_DBPASSWORD": str(address.password),
        "PG_DBHOST": address.host,
        "PG_DBPORT": str(address.port),
    }
    if prefix:
        return {**url, **{f"{prefix}_{name}": value for name, value in parts.items()}}
    return {**url, **parts, **_libpq_variables(address)}


def _libpq_variables(address: DatabaseAddress) -> dict[str, str]:
    return {
        "PGHOST": address.host,
        "PGPORT": str(address.port),
        "PGUSER": address.user,
        "PGPASSWORD": str(address.password),
        "PGDATABASE": address.database,
    }
