"""What an app's own last lines tell of the database: that it wants what the embedded server does not have.

psycopg2.errors.FeatureNotSupported: extension "hstore" is not available
A word added to a refusal, and never what decides it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deploy.bindings import read_bindings
from deploy.services.postgres import EMBEDDED
from toppcloud.app_layout import AppLayout

_EXTENSION = re.compile(r'extension "([\w-]+)" is not available|permission denied to create extension "([\w-]+)"')
_TLS = re.compile(r"server does not support SSL|rejected SSL upgrade|SSL is not enabled on the server")
_WAY_OUT = "A PostgreSQL server of your own has it: name its admin URL as postgres_url in node.toml, then push again."


def advise_on_output(app: AppLayout, lines: Iterable[str]) -> str | None:
    """What to do when the app needs TLS or an extension, and its database is on the embedded server; else None."""
    binding = read_bindings(app).get("postgres")
    if binding is None or binding.facts["server"] != EMBEDDED:
        return None
    text = "\n".join(lines)
    if match := _EXTENSION.search(text):
        name = match[1] or match[2]
        return f"The node's own PostgreSQL has no extension {name} for apps. {_WAY_OUT}\n{render_move(app)}"
    if _TLS.search(text):
        return f"The node's own PostgreSQL has no TLS, and needs none on 127.0.0.1. {_WAY_OUT}\n{render_move(app)}"
    return None


def render_move(app: AppLayout) -> str:
    """How an app gets from the embedded server to another: its database is made anew there."""
    return f"Before that push, so that it gets a database there: toppcloud services:remove postgres -a {app.name}"
