"""The real forker with a few commands more, which do what no command of the table should: crash, hog, echo."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

import receiver.sessions
from receiver.command import Argument, Command
from receiver.session import Session
from receiver.table import COMMANDS


def words(session: Session, *, words: tuple[str, ...]) -> None:
    session.print_json(list(words))


def cat(session: Session) -> None:
    while data := os.read(0, 1 << 20):
        os.write(1, data)


def swallow(session: Session) -> None:
    count = 0
    while data := os.read(0, 1 << 20):
        count += len(data)
    session.write(str(count))


def crash(session: Session) -> None:
    raise RuntimeError("secret detail of the inside")


def die(session: Session) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hog(session: Session) -> None:
    session.write(str(len(bytearray(1 << 30))))


def end(session: Session, *, status: str) -> None:
    session.exit(int(status))


def tell(session: Session) -> None:
    """What the worker finds around itself."""
    session.print_json(
        {
            "person": session.person,
            "environment": dict(session.environment),
            "terminal": session.terminal and [session.terminal.columns, session.terminal.rows, session.terminal.term],
            "tty": [os.isatty(fd) for fd in (0, 1, 2)],
            "foreground": os.tcgetpgrp(0) == os.getpgrp() if os.isatty(0) else None,
            "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
            "leader": os.getsid(0) == os.getpid(),
        }
    )


def size(session: Session) -> None:
    """The terminal's size, each time that it changes, until the input ends."""

    def say(*_: object) -> None:
        size = os.get_terminal_size(0)
        os.write(1, f"{size.columns} {size.lines}\n".encode())

    signal.signal(signal.SIGWINCH, say)
    session.write("ready")
    os.read(0, 1)


def wait(session: Session, *, path: str) -> None:
    """Wait until the person is gone, as the end of stdout tells, and leave a note."""
    Path(path).with_suffix(".pid").write_text(str(os.getpid()))
    session.write("ready")
    poll = select.poll()
    poll.register(1, 0)
    events = poll.poll(20_000)
    try:
        session.write("anybody?")
        outcome = "written"
    except BrokenPipeError:
        outcome = "broken pipe"
    Path(path).write_text(f"gone={session.is_gone()} events={bool(events)} {outcome}")


def late(session: Session) -> None:
    """A child that outlives the session and holds its streams."""
    if os.fork() == 0:
        time.sleep(5)
        os._exit(0)
    session.write("done")


def work(session: Session, *, path: str) -> None:
    """A command that changes things: signals are not heeded, and a person who leaves ends nothing."""
    session.write("ready")
    while not session.is_gone():
        time.sleep(0.01)
    session.write("said to nobody")
    session.console.step("neither is this")
    Path(path).write_text("finished")


def _probe(name: str, *arguments: Argument, changes: bool = False) -> None:
    COMMANDS[f"probe:{name}"] = Command(
        f"probe:{name}", name, name, f"probe_sessions:{name}", arguments=arguments, changes=changes
    )


_probe("words", Argument("words", "WORD", many=True, required=False))
for _name in ("cat", "swallow", "crash", "die", "hog", "tell", "size", "late"):
    _probe(_name)
_probe("end", Argument("status", "STATUS"))
_probe("wait", Argument("path", "PATH"))
_probe("work", Argument("path", "PATH"), changes=True)

if __name__ == "__main__":
    sys.modules["probe_sessions"] = sys.modules["__main__"]
    receiver.sessions.main()
