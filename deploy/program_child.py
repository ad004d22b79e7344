"""What a program's process does between fork and exec, as a copy of supervisord.

Source: prctl(2), PR_SET_PDEATHSIG; supervisor 4.3, process.py, `_spawn_as_child`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from deploy.process_record import record_process

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)
"""Signals that supervisord has handlers for."""
DESCRIPTORS = 65536
"""How many files a program may have open unless it asks for more itself: enough for any app, and small enough for those
that look at each number that there could be."""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def prepare_child(name: str, ini: str, supervisord: int) -> None:
    """Be a process of its own: group, signals, limits, record.

    It records itself, and dies with supervisord until it has: so no process of ours is ever unknown to the next one.
    Before exec, supervisord's own handlers would swallow a stop that comes right after the start.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisord:
        os._exit(1)  # it died before we could ask for that
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    os.setpgid(0, 0)
    limit_descriptors()
    record_process(name, os.getpid(), ini)
    _libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def limit_descriptors() -> None:
    """Set the soft limit; the hard one stays for who asks for more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
