"""One session in a process of its own: the command line parsed, its handler called, its end told. Nothing else.

The descriptors 0, 1 and 2 are the session's; the process belongs to nobody else and ends with the session.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
import secrets
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from receiver.command import Command, Where
from receiver.git_session import PUSH, find_git_command, serve_git
from receiver.greeting import render_greeting
from receiver.help_text import render_topic
from receiver.session import Session, SessionExit, show_error
from receiver.table import find_command
from receiver.usage import parse_arguments
from receiver.words import split_words
from toppcloud.disk import is_full_disk, refuse_full_disk
from toppcloud.errors import REFUSED, WRONG_USAGE, ToppcloudError

INTERRUPTED = 128
_log = logging.getLogger(__name__)


class Interrupted(BaseException):
    """A signal from the person ended the session."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def serve_session(session: Session, command_line: str | None) -> int:
    """Do what `command_line` says; None is a login without a command. Returns the exit status. Never raises."""
    try:
        _listen_to_signals(heed=True)
        if command_line is None:
            session.write(render_greeting(session.node, session.person, session.host))
        else:
            _serve_words(session, split_words(command_line))
    except SessionExit as ending:
        return ending.status
    except ToppcloudError as error:
        return show_error(error, session.stderr)
    except Interrupted as interruption:
        return INTERRUPTED + interruption.number
    except BaseException as error:  # whatever it was, it ends in the log and not at the person's terminal
        if isinstance(error, OSError) and session.is_gone():
            return REFUSED  # nobody reads any more
        return show_error(refuse_full_disk(error) if is_full_disk(error) else _log_crash(session), session.stderr)
    return 0


def _serve_words(session: Session, words: list[str]) -> None:
    if not words:
        session.write(render_topic(()))
        return
    if git := find_git_command(words):
        _listen_to_signals(heed=git[0] != PUSH)
        serve_git(session, *git)
        return
    command, rest = find_command(words)
    if _asks_for_help(command, rest):
        session.write(render_topic(tuple(command.name.split())))
        return
    _refuse_elsewhere(command)
    arguments = parse_arguments(command, rest)
    if command.app:
        _check_app(session, command, arguments["app"])
        if not arguments.get("as_json"):  # a program reads that
            session = dataclasses.replace(session, was_told=_show_notice(session, arguments["app"]))
    _listen_to_signals(heed=not command.changes)
    _load(command)(dataclasses.replace(session, keeps_on=command.changes), **arguments)


def _asks_for_help(command: Command, words: list[str]) -> bool:
    looked_at = words[:1] if command.words else words[: words.index("--")] if "--" in words else words
    return "--help" in looked_at


def _refuse_elsewhere(command: Command) -> None:
    if command.where is Where.LAPTOP:
        raise ToppcloudError(
            f"'{command.name}' is for the machine where you type it.",
            "The node does not do it over ssh.",
            f"There: toppcloud {command.example}",
            status=WRONG_USAGE,
        )


def _check_app(session: Session, command: Command, name: str | None) -> None:
    from deploy.app import require_app  # after the cheap refusals

    if name is None:
        raise ToppcloudError(
            "Which app?",
            f"Nothing says which one '{command.name}' is for.",
            "Name it with -a APP; or, in its repository: toppcloud git:remote APP",
            status=WRONG_USAGE,
        )
    require_app(session.node, name)


def _show_notice(session: Session, app: str) -> bool:
    """Tell what the node did to the app by itself since anybody looked, if it did."""
    from deploy.notice import take_notice

    lines = take_notice(session.app(app))
    for line in lines:
        session.warn(f" !     {line}")
    return bool(lines)


def _load(command: Command) -> Callable[..., None]:
    module, _, function = command.handler.partition(":")
    handler: Callable[..., None] = getattr(importlib.import_module(module), function)
    return handler


def _listen_to_signals(*, heed: bool) -> None:
    """Signals end the session, or are not heeded: what it changes must not be left half done.

    A handler and not SIG_IGN, which programs that the session starts would inherit.
    """

    def end(number: int, frame: FrameType | None) -> Any:
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end if heed else lambda number, frame: None)


def _log_crash(session: Session) -> ToppcloudError:
    crash_id = secrets.token_hex(3)
    _log.exception("session crashed: id=%s person=%s", crash_id, session.person)
    return ToppcloudError(
        f"Something is wrong in toppcloud itself ({crash_id}).",
        f"The node's log tells more under {crash_id}. What was live is still live.",
    )
