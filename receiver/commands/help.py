"""help, version, ping: what toppcloud says of itself."""

from __future__ import annotations

from receiver.help_text import render_topic
from receiver.session import Session
from toppcloud import __version__


def show(session: Session, *, command: tuple[str, ...]) -> None:
    """All commands, or one."""
    session.write(render_topic(command))


def version(session: Session) -> None:
    """The version of the node's toppcloud."""
    session.write(f"toppcloud {__version__}")


def ping(session: Session) -> None:
    """What the front door says of its own; here for the case that it is asked with options or quotes."""
    session.write("pong")
