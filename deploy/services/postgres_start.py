"""Becomes the embedded PostgreSQL server, as its own account. Run by supervisord:

    python -I -S postgres_start.py POSTGRES DATA POSTGRESQL_CONF PG_HBA_CONF [UID GID]

First it ends what an earlier supervisord left behind: a server that still runs on the same data is stopped (fast
shutdown), and a postmaster.pid whose number belongs to some other program by now (after a reboot) is removed, which
the server itself would take for a running server. Standalone: imports nothing of toppcloud.
Source: PostgreSQL's documentation, "Starting the Database Server" and "Shutting Down the Server".
"""

from __future__ import annotations

import os
import signal
import sys
import time

_STOP_S = 20.0
_POLL_S = 0.02


def main(argv: list[str]) -> None:
    postgres, data, config, access, *account = argv
    if account:
        os.setgroups([])
        os.setgid(int(account[1]))
        os.setuid(int(account[0]))
    os.umask(0o077)
    clear_pid_file(data)
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    words = [postgres, "-D", data, f"--config-file={config}", f"--hba-file={access}"]
    os.execve(postgres, words, environment)


def clear_pid_file(data: str) -> None:
    """Stop the server that postmaster.pid names, if there is one; remove the file if it names something else."""
    path = f"{data}/postmaster.pid"
    try:
        with open(path) as file:  # noqa: PTH123 - pathlib takes as long to import as all of this
            pid = int(file.readline())
    except (FileNotFoundError, ValueError):
        return
    if pid == os.getpid() or not is_server(pid, data):
        os.unlink(path)  # noqa: PTH108
        return
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + _STOP_S
    while is_server(pid, data) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def is_server(pid: int, data: str) -> bool:
    """Whether that process stands in the data folder, as a server does."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", data)  # noqa: PTH121
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
