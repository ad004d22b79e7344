"""Becomes an app's process: takes its socket, opens its output, gives up root, execs. Nothing of it stays.

Runs on its own (`python -I -S deploy/launcher.py SPEC.json`) and imports nothing of the house. The spec:

    {"program": "blog.web.1.v12.2", "argv": ["gunicorn", "blog:app"], "env": {"PATH": "..."}, "cwd": "...", "uid": 998,
     "gid": 998, "socket": "blog/12/2", "output": "ROOT/run/output/blog.web.1.v12.2", "umask": 18, "root": "ROOT",
     "port_file": "ROOT/apps/blog/releases/12/starts/2/web.1.port"}

`uid` and `gid` are null when the user stays, `socket` when it has none, `output` when what supervisord opened is kept.
With "inherited": true a socket is descriptor 3 already. With a `port_file`, every run has a $PORT of its own, which
takes the place of `PORT_MARK` in argv too.
With "open_first": true the program is opened before root is given up, so that it may lie where its user cannot go.
Source: sd_listen_fds(3) for LISTEN_FDS and LISTEN_PID; execve(2) for what a program inherits.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import stat
import sys
import time
from typing import Any, NoReturn

LISTEN_FD = 3
CANNOT_RUN = 126
NOT_FOUND = 127
PORT_MARK = "\0"
"""Stands for the port in argv. No real word of an argv can hold it."""
_PORTS = range(10000, 65536)
_TRIES = 1000
_LOCAL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
_HOLDER = "run/holder.sock"
_LOGGER = "run/logger.sock"
_TAKE_TIMEOUT_S = 15.0
_TAKE_PAUSE_S = 0.02
_PIPE_BYTES = 256 * 1024
_KNOCK_TIMEOUT_S = 2.0


def main(spec_path: str) -> None:
    with open(spec_path, "rb") as file:  # noqa: PTH123 - pathlib would double the time to start
        spec = json.load(file)
    os.chdir(spec["root"])
    redirect_streams(spec["output"], spec["program"], spec["uid"])
    if spec["socket"]:
        place_socket(take_socket(spec["socket"]))
    if spec.get("port_file"):
        give_port(spec)
    launch(spec)


def take_socket(name: str) -> int:  # noqa: RET503 - give_up does not return
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


def place_socket(fd: int) -> None:
    """Make the listening socket descriptor 3, which is where programs look for it."""
    if fd != LISTEN_FD:
        os.dup2(fd, LISTEN_FD)
        os.close(fd)
    os.set_inheritable(LISTEN_FD, True)


def give_port(spec: dict[str, Any]) -> None:
    """Put a port into argv and environment, and into the port file: `PORT PID STARTTIME`, one line.

    Chosen anew in each run: what sleeps holds none, and who finds it taken after all has another the next time.
    """
    try:
        port = str(choose_port())
    except OSError as error:
        give_up(str(error.strerror), CANNOT_RUN)
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        start_time = file.read().rpartition(b")")[2].split()[19].decode()
    aside = f"{spec['port_file']}.{os.getpid()}"
    with open(aside, "w") as file:  # noqa: PTH123
        os.fchmod(file.fileno(), 0o644)  # the relay reads it
        file.write(f"{port} {os.getpid()} {start_time}\n")
    os.replace(aside, spec["port_file"])  # noqa: PTH105
    spec["argv"] = [word.replace(PORT_MARK, port) for word in spec["argv"]]
    spec["env"] = {**spec["env"], "PORT": port}


def choose_port() -> int:
    """A port that nobody uses on any address, at random, and none that the kernel gives to outgoing connections.

    Raises OSError when none can be found. Source: ip(7), ip_local_port_range.
    """
    below, above = _PORTS, _PORTS[:0]
    with contextlib.suppress(OSError, ValueError), open(_LOCAL_PORTS) as file:  # noqa: PTH123
        first, last = (int(word) for word in file.read().split())
        below, above = range(_PORTS.start, first), range(max(last + 1, _PORTS.start), _PORTS.stop)
        if not below and not above:
            below = _PORTS
    for _ in range(_TRIES):
        index = int.from_bytes(os.urandom(4), "big") % (len(below) + len(above))
        port = below[index] if index < len(below) else above[index - len(below)]
        if is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, "no free port was found for $PORT")


def is_free(port: int) -> bool:
    """Whether a program could listen there, whatever address it takes."""
    for family, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):  # noqa: S104 - never listened on
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


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
    tell_logger(program)


def tell_logger(program: str) -> None:
    """Have the logger read the program's output. A copy of the pipe goes along: a program that ends at once has its
    words kept until they are read. Without a logger nothing is lost either: it looks for pipes when it starts."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knock:
        knock.settimeout(_KNOCK_TIMEOUT_S)  # many may knock at once
        knock.connect(_LOGGER)
        socket.send_fds(knock, [program.encode()], [1])


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
    if spec["socket"] or spec.get("inherited"):
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


def give_up(why: str, status: int) -> NoReturn:
    """Say why in the program's own output, and end."""
    os.write(2, f"toppcloud: {why}\n".encode())
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
