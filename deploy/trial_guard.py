"""Stands between a session and a program that is only tried: when either ends, all that the program started ends too.

    python -I -S deploy/trial_guard.py SOCKET deploy/launcher.py SPEC.json

Runs on its own and imports nothing of the house. Its stdin is a pipe whose other end only the session has: it closes
with the session, whatever becomes of that. SOCKET is the number of a listening socket's descriptor, or `-`. Orphans of
the program become children of the guard, so none is out of its reach. Ends with the program's exit status.
Source: prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG; proc(5), /proc/PID/task/TID/children.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

LISTEN_FD = 3
_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36
_GRACE_S = 2.0
_PAUSE_S = 0.02
_CANNOT_RUN = 126


def main(listener: str, program: list[str]) -> None:
    ctypes.CDLL(None).prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker)
    told = []
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    child = start(listener, program)
    status = None
    while status is None and not told:
        ready = select.select([0, wake], [], [])[0]
        if 0 in ready and not os.read(0, 4096):
            break
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        status = reap().get(child)
    end_all(0.0 if status is not None else _GRACE_S)
    os._exit(_CANNOT_RUN if status is None else status)


def start(listener: str, program: list[str]) -> int:
    """Run the program with the socket as descriptor 3, in a session of its own. Returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)  # lost where the program changes its user
        if listener != "-":
            if int(listener) != LISTEN_FD:
                os.dup2(int(listener), LISTEN_FD)
            os.set_inheritable(LISTEN_FD, True)
        os.closerange(LISTEN_FD + (listener != "-"), os.sysconf("SC_OPEN_MAX"))
        os.execv(sys.executable, [sys.executable, "-I", "-S", *program])
    finally:
        os._exit(_CANNOT_RUN)


def reap() -> dict[int, int]:
    """Children that have ended, with the status that a shell would give them."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            ended[pid] = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return ended


def end_all(grace_s: float) -> None:
    """End every descendant: asked first, when there is time; and as often as new ones are there."""
    deadline = time.monotonic() + grace_s
    if grace_s:
        send(signal.SIGTERM)
    while list_descendants():
        if time.monotonic() >= deadline:
            send(signal.SIGKILL)
        time.sleep(_PAUSE_S)
        reap()


def send(number: int) -> None:
    for pid in list_descendants():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def list_descendants() -> list[int]:
    """Of this process."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        current = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{current}/task"):  # noqa: PTH208
                with open(f"/proc/{current}/task/{task}/children") as file:  # noqa: PTH123
                    children = [int(word) for word in file.read().split()]
                found += children
                waiting += children
    return found


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
