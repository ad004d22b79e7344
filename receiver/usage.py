"""The words after a command's name, parsed by click into the arguments of its handler."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from receiver.command import Argument, Command, Option
from receiver.help_text import options_of, render_usage
from toppcloud.errors import WRONG_USAGE, ToppcloudError


def parse_arguments(command: Command, words: Iterable[str]) -> dict[str, Any]:
    """What the handler of `command` is called with. Raises ToppcloudError (status 2) for words that do not fit.

    With `app`, the value may be None: on the node, nobody said which app.
    """
    parser = build_click_command(command)
    try:
        with parser.make_context(command.name, list(words)) as context:
            arguments = dict(context.params)
    except click.UsageError as error:
        raise ToppcloudError(
            _sentence(error.format_message()),
            f"Usage: toppcloud {render_usage(command)}",
            f"Example: toppcloud {command.example}",
            status=WRONG_USAGE,
        ) from error
    if named := arguments.pop("app_word", None):
        arguments["app"] = named
    return arguments


def build_click_command(command: Command) -> click.Command:
    """The command as click knows commands. Its help is rendered by us, so it has no `--help` of its own."""
    parameters: list[click.Parameter] = [_click_argument(argument) for argument in command.arguments]
    parameters += [_click_option(option) for option in options_of(command)]
    settings = {"allow_interspersed_args": not command.words}
    return click.Command(command.name, params=parameters, add_help_option=False, context_settings=settings)


def _click_argument(argument: Argument) -> click.Argument:
    return click.Argument(
        [argument.name],
        metavar=argument.metavar,
        nargs=-1 if argument.many else 1,
        required=argument.required,
        type=click.UNPROCESSED,
    )


def _click_option(option: Option) -> click.Option:
    names = [*option.flags, option.name]
    if option.metavar is None:
        return click.Option(names, is_flag=True, help=option.help)
    kind = click.IntRange(min=0) if option.number else click.UNPROCESSED
    return click.Option(names, metavar=option.metavar, default=option.default, type=kind, help=option.help)


def _sentence(text: str) -> str:
    """`No such option '--jso'. Did you mean '--json'?`, whatever click adds in brackets."""
    text = re.sub(r" \(Did you mean one of: ('[^']*').*\)", r" Did you mean \1?", text)
    return text if text.endswith((".", "?", "!")) else f"{text}."
