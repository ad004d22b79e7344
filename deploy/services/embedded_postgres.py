"""The PostgreSQL server that the node brings along: set up when the first app needs it, run by supervisord.

It listens on 127.0.0.1 alone, wants a password from everyone, and has neither TLS nor contrib extensions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import socket
import sys
import time
from pathlib import Path

from psycopg2 import sql

from deploy.render import render_template
from deploy.services.postgres_database import PostgresUnreachable, open_cursor
from deploy.services.postgres_names import DatabaseAddress, make_password
from deploy.services.postgres_programs import PostgresPrograms, choose_server_programs
from deploy.supervisor import Supervisor
from toppcloud.account import Account, find_account, this_account
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, sync_folder, write_file
from toppcloud.layout import Layout, PostgresLayout
from toppcloud.lock import hold_lock
from toppcloud.node import Node
from toppcloud.program import run
from toppcloud.secret import Secret
from toppcloud.settings import NodeSettings, read_settings, write_settings

HOST = "127.0.0.1"
PROGRAM = "postgres"
SUPERUSER = "postgres"
_SET_UP_TIMEOUT_S = 120.0
_START_TIMEOUT_S = 30.0
_POLL_S = 0.02
_PORTS = range(20000, 32000)  # below the ports that the kernel gives to outgoing connections
_START_SCRIPT = Path(__file__).with_name("postgres_start.py")


def read_superuser(layout: Layout) -> DatabaseAddress:
    """How the node itself reaches the embedded server. Raises ToppcloudError when there is none."""
    try:
        password = Secret(layout.postgres.password.read_text().strip())
    except FileNotFoundError as error:
        raise ToppcloudError(
            "This node has no embedded PostgreSQL yet.",
            "No app has declared it.",
            "toppcloud services:add postgres",
            reason="no database server",
        ) from error
    return DatabaseAddress(HOST, read_port(layout), SUPERUSER, password, "postgres")


def read_port(layout: Layout) -> int:
    """The port in node.toml, as it is now; 0 before the server was set up."""
    return read_settings(layout.node_toml).postgres_port


def start_embedded(node: Node) -> DatabaseAddress:
    """Have the server set up and running, and say how the node reaches it. Quick when it runs already."""
    layout = node.layout.postgres
    layout.folder.mkdir(parents=True, exist_ok=True)
    for folder in (node.layout.services, layout.folder):
        folder.chmod(0o755)  # the database's account must pass through
    with hold_lock(layout.lock, by="node", doing="starting PostgreSQL", timeout_s=_SET_UP_TIMEOUT_S):
        is_new = not layout.program.exists()
        if is_new:
            write_embedded(node.layout)
        supervisor = Supervisor(node.layout)
        supervisor.add(layout.program)
        supervisor.start(PROGRAM)
        superuser = read_superuser(node.layout)
        wait_until_ready(superuser)
        if is_new:
            _close_to_apps(superuser)
    return superuser


def refresh_embedded(layout: Layout) -> None:
    """Write the server's files anew if there is one: before `node start`, since port or package may have moved."""
    if layout.postgres.program.exists():
        write_embedded(layout)


def write_embedded(layout: Layout) -> None:
    """Data, configuration and program of the server, as node.toml says. Raises ToppcloudError with the cure."""
    account = choose_database_account(read_settings(layout.node_toml))
    postgres = layout.postgres
    programs = choose_server_programs(postgres, account, _read_major(postgres))
    if not postgres.data.exists():
        _initialise(postgres, programs, account)
    settings = read_settings(layout.node_toml)
    if not settings.postgres_port:
        settings = dataclasses.replace(settings, postgres_port=find_free_port())
        write_settings(layout.node_toml, settings)
    write_file(
        postgres.postgresql_conf,
        render_template("postgresql.conf.j2", port=settings.postgres_port, major=programs.major),
    )
    write_file(postgres.pg_hba_conf, render_template("pg_hba.conf.j2"))
    write_file(postgres.program, render_template("postgres.ini.j2", argv=plan_command(postgres, programs, account)))


def plan_command(layout: PostgresLayout, programs: PostgresPrograms, account: Account) -> list[str]:
    """argv of the supervisor program. The start script itself changes to `account`: an 0700 home may hold it."""
    words = [sys.executable, "-I", "-S", str(_START_SCRIPT), str(programs.path("postgres"))]
    words += [str(layout.data), str(layout.postgresql_conf), str(layout.pg_hba_conf)]
    return words if account.is_self else [*words, str(account.uid), str(account.gid)]


def choose_database_account(settings: NodeSettings) -> Account:
    """Ourselves; as root the account that node.toml names, since PostgreSQL never runs as root."""
    if os.geteuid() != 0:
        return this_account()
    account = find_account(settings.database_user)
    if account is None or account.uid == 0:
        raise ToppcloudError(
            f"The account '{settings.database_user}' cannot run PostgreSQL.",
            "It does not exist." if account is None else "It is root, and PostgreSQL does not run as root.",
            "It is made by: toppcloud node start. Or name another as database_user in node.toml.",
            reason="no account for PostgreSQL",
        )
    return account


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, chosen at random so that two nodes hardly meet."""
    for port in random.sample(_PORTS, 50):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    raise ToppcloudError(
        "There is no free port for PostgreSQL.",
        f"50 ports of {HOST} between {_PORTS.start} and {_PORTS.stop} are taken.",
        "Name one as postgres_port in node.toml.",
        reason="no free port",
    )


def _read_major(layout: PostgresLayout) -> int | None:
    try:
        return int((layout.data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _initialise(layout: PostgresLayout, programs: PostgresPrograms, account: Account) -> None:
    """initdb, aside and renamed, so that `data` is always whole. UTF-8, sorted by code point on every machine alike."""
    password = make_password()
    write_file(layout.password, f"{password}\n", mode=0o600)
    remove_tree(layout.unfinished_data)
    layout.unfinished_data.mkdir(mode=0o700)
    account.own(layout.unfinished_data)
    words = [str(programs.path("initdb")), "-D", str(layout.unfinished_data), "-U", SUPERUSER, "--pwfile=/dev/stdin"]
    words += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
    if programs.major >= 17:
        words += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    run(words, cwd=Path("/"), stdin=f"{password}\n".encode(), account=account, timeout_s=_SET_UP_TIMEOUT_S)
    layout.unfinished_data.rename(layout.data)
    sync_folder(layout.folder)


def wait_until_ready(superuser: DatabaseAddress) -> None:
    """Return once the server lets us in. Raises ToppcloudError after 30 s."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            with open_cursor(superuser):
                return
        except PostgresUnreachable as error:
            if time.monotonic() > deadline:
                raise ToppcloudError(
                    f"The embedded PostgreSQL did not start within {_START_TIMEOUT_S:.0f} s.",
                    error.why,
                    "See log/postgres.log in the node's folder. If its port is taken: postgres_port in node.toml.",
                    reason="database did not start",
                ) from error
            time.sleep(_POLL_S)


def _close_to_apps(superuser: DatabaseAddress) -> None:
    """Apps' roles have no business in the server's own databases."""
    with open_cursor(superuser) as cursor:
        for name in ("postgres", "template1"):
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
