"""run: a command in the live release, with the session's own streams or terminal."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from deploy.app_settings import read_app_settings
from deploy.launcher import choose_port
from deploy.profile import with_profile
from deploy.release import require_live_release
from deploy.start import process_environment
from receiver.session import Session
from toppcloud.errors import ToppcloudError
from toppcloud.program import become, find_program
from toppcloud.slug import read_slug

_SIGNALLED = 128
_NOT_FOUND = 127
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_PROCESS = "run.1"


def run_command(session: Session, *, app: str, command: tuple[str, ...]) -> None:
    """Run `command` where the app lives, as the app's user. Its exit status, 128+n for a signal, is the session's.

    One word with spaces in it is a line for the shell: `run 'cd blog && ls'`.
    """
    layout = session.app(app)
    release = require_live_release(layout)
    slug = read_slug(layout.slug(release.slug))
    if slug is None:
        raise ToppcloudError(f"The slug of v{release.version} is gone.", "Nothing can run in it.", "Push again.")
    settings = read_app_settings(layout)
    environment = process_environment(session.node, layout, release, slug, settings, _PROCESS, choose_port())
    if session.terminal:
        environment["TERM"] = session.terminal.term
    argv = ["/bin/bash", "-c", *command] if len(command) == 1 and " " in command[0] else list(command)
    source = layout.release(release.version).source
    child = os.fork()
    if child == 0:
        _become_command(session, with_profile(source, argv), environment, source)
    session.exit(wait_for(child, has_terminal=session.terminal is not None))


def wait_for(child: int, *, has_terminal: bool) -> int:
    """Wait for the child and pass signals on to it; when the person goes away, hang up on it.

    A terminal sends the signals of its keys to both of us itself. Without one the child leads a group of its own.
    """

    def pass_on(number: int, _frame: FrameType | None = None) -> None:
        with contextlib.suppress(ProcessLookupError):
            if not has_terminal:
                os.killpg(child, number)
            elif number not in _FROM_TERMINAL:
                os.kill(child, number)

    if not has_terminal:
        with contextlib.suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(child, child)
    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    _wait_hanging_up(child, lambda: pass_on(signal.SIGHUP))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _SIGNALLED - code


def _wait_hanging_up(child: int, hang_up: Callable[[], None]) -> None:
    """Return when the child has ended; `hang_up` when nobody reads its output any more."""
    pidfd = os.pidfd_open(child)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(1, 0)
    while all(fd != pidfd for fd, _ in poll.poll()):
        poll.unregister(1)
        hang_up()
    os.close(pidfd)


def _become_command(session: Session, argv: list[str], environment: dict[str, str], source: Path) -> NoReturn:
    status = _NOT_FOUND
    try:
        if session.terminal is None:
            os.setpgrp()
        for number in _PASSED_ON:
            signal.signal(number, signal.SIG_DFL)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))  # the session's limit is not the app's
        if session.terminal and not session.node.account.is_self:
            os.fchown(0, session.node.account.uid, -1)
        _run_in(session, argv, environment, source)
    except ToppcloudError as error:
        os.write(2, "".join(f"{line}\n" for line in error.lines()).encode())
    except BaseException as error:
        os.write(2, f"toppcloud: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def _run_in(session: Session, argv: list[str], environment: dict[str, str], source: Path) -> NoReturn:
    os.chdir(source)
    program = argv[0] if "/" in argv[0] else find_program(argv[0], environment["PATH"])
    if program is None:
        raise ToppcloudError(f"{argv[0]}: no such program.", "It is not on the app's PATH.")
    become([program, *argv[1:]], env=environment, cwd=source, account=session.node.account)
