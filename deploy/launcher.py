"""Becomes an app's process: takes its socket, opens its output, gives up root, execs. Nothing of it stays.

Runs on its own (`python -I -S deploy/launcher.py SPEC.json`) and imports nothing of the house. The spec:

    {"program": "blog.web.1.v12.2", "argv": ["gunicorn", "blog:app"], "env": {"PATH": "..."}, "cwd": "...", "uid": 998,
     "gid": 998, "socket": "blog/12/2", "output": "ROOT/run/output/blog.web.1.v12.2", "umask": 18, "root": "ROOT"}

`uid` and `gid` are null when the user stays, `socket` when it has none, `output` when what supervisord opened is kept.
With "open_first": true the program is opened before root is given up, so that it may lie where its user cannot go.
Source: sd_listen_fds(3) for LISTEN_FDS and LISTEN_PID; execve(2) for what a program inherits.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import stat
import sys
import time
from typing import Any

LISTEN_FD = 3
CANNOT_RUN = 126
NOT_FOUND = 127
_HOLDER = "run/holder.sock"
_LOGGER = "run/logger.sock"
_TAKE_TIMEOUT_S = 15.0
_TAKE_PAUSE_S = 0.02
_PIPE_BYTES = 256 * 1024


def main(spec_path: str) -> None:
    with open(spec_path, "rb") as file:  # noqa: PTH123 - pathlib would double the time to start
        spec = json.load(file)
    os.chdir(spec["root"])
    redirect_streams(spec["output"], spec["program"], spec["uid"])
    if spec["socket"]:
        place_socket(take_socket(spec["socket"]))
    launch(spec)


def take_socket(name: str) -> int:
    """A copy of the listening socket that the holder keeps as `name`. It may take a moment after a holder's death.

    The current directory is the node's root. Ends the process when there is no such socket.
    """
    deadline = time.monotonic() + _TAKE_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(2.0)
            connection.connect(_HOLDER)
            connection.send(f"take {name}".encode())
            answer, fds, _, _ = socket.recv_fds(connection, 4096, 1)
            if answer.startswith(b"ok") and fds:
                return fds[0]
        time.sleep(_TAKE_PAUSE_S)
    give_up(f"the node holds no socket called {name}", CANNOT_RUN)
    return -1


def place_socket(fd: int) -> None:
    """Make the listening socket descriptor 3, which is where programs look for it."""
    if fd != LISTEN_FD:
        os.dup2(fd, LISTEN_FD)
        os.close(fd)
    os.set_inheritable(LISTEN_FD, True)


def redirect_streams(output: str | None, program: str, uid: int | None) -> None:
    """No stdin; stdout and stderr into the program's FIFO, which is also open for reading here: so a write never
    fails while the logger is away."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    if output is None:
        return
    fd = open_pipe(output)
    if uid is not None:
        os.fchown(fd, uid, -1)  # programs that open /dev/stdout anew need the right to
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knock:
        knock.setblocking(False)
        knock.sendto(program.encode(), _LOGGER)


def open_pipe(path: str) -> int:
    """The FIFO at `path`, made when it is not there. The logger removes those of starts that are gone."""
    while True:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            if os.path.samestat(os.fstat(fd), os.stat(path)):  # noqa: PTH116
                break
            os.close(fd)
        except FileNotFoundError:
            continue
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        give_up(f"{path} is not a pipe", CANNOT_RUN)
    return fd


def become(uid: int | None, gid: int | None) -> None:
    """Be that user and nobody else from here on."""
    if uid is None:
        return
    os.setgroups([])
    os.setresgid(gid, gid, gid)  # type: ignore[arg-type] # a spec with a uid has a gid
    os.setresuid(uid, uid, uid)


def launch(spec: dict[str, Any]) -> None:
    """Exec the program. Python ignores SIGPIPE and SIGXFSZ; its heirs must not."""
    argv, environment = spec["argv"], dict(spec["env"])
    if spec["socket"]:
        environment |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    opened = os.open(argv[0], os.O_PATH | os.O_CLOEXEC) if spec.get("open_first") else None
    become(spec["uid"], spec["gid"])
    os.umask(spec["umask"])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(spec["cwd"])
        if opened is not None:
            os.execve(opened, argv, environment)
        os.execvpe(argv[0], argv, environment)
    except FileNotFoundError:
        give_up(f"{argv[0]}: no such program", NOT_FOUND)
    except OSError as error:
        give_up(f"{argv[0]}: {error.strerror}", CANNOT_RUN)


def give_up(why: str, status: int) -> None:
    """Say why in the program's own output, and end."""
    os.write(2, f"toppcloud: {why}\n".encode())
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
