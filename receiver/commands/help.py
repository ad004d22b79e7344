"""help, version, ping: what toppcloud says of itself."""

from __future__ import annotations

from receiver.help_text import render_help, render_noun, render_overview
from receiver.session import Session
from receiver.usage import find_command
from toppcloud import __version__
from toppcloud.errors import ToppcloudError


def show(session: Session, *, command: tuple[str, ...]) -> None:
    """All commands, or one."""
    session.write(render_topic(command))


def render_topic(words: tuple[str, ...]) -> str:
    """Help on `config:set`, on `node start`, on a noun such as `node`; on everything without words."""
    if not words:
        return render_overview()
    try:
        return render_help(find_command(words)[0])
    except ToppcloudError:
        if len(words) == 1 and (noun := render_noun(words[0])):
            return noun
        raise


def version(session: Session) -> None:
    """The version of the node's toppcloud."""
    session.write(f"toppcloud {__version__}")


def ping(session: Session) -> None:
    """What the front door says of its own; here for the case that it is asked with options or quotes."""
    session.write("pong")
