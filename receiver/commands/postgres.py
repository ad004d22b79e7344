"""pg:psql."""

from __future__ import annotations

from pathlib import Path

from deploy.provisioning import require_binding
from deploy.services.postgres import find_client
from receiver.session import Session
from toppcloud.program import become, find_program

_TERMINFO = "/etc/terminfo:/lib/terminfo:/usr/share/terminfo"


def psql(session: Session, *, app: str, command: str | None) -> None:
    """The server's own psql, as the app's role; from here on this process is psql."""
    _, binding = require_binding(session.app(app), "postgres")
    program, address = find_client(session.node, session.app(app), binding, "psql")
    words = [str(program), "--no-psqlrc", "--no-password"]
    if command is not None:
        words += ["--command", command]
    elif session.terminal is None:
        words += ["--set", "ON_ERROR_STOP=1"]
    environment = {**address.libpq_environment(), "PSQL_HISTORY": "/dev/null", "PGAPPNAME": "toppcloud pg:psql"}
    if session.terminal is not None:
        environment |= {"TERM": session.terminal.term, "TERMINFO_DIRS": _TERMINFO}
        if pager := find_program("less"):
            environment |= {"PAGER": str(pager), "LESS": "-FRSX"}
    become(words, env=environment, cwd=Path("/"), account=session.node.account)
