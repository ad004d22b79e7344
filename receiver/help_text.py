"""Help, rendered from the table: all commands by noun, one command with its example, and the page of the docs."""

from __future__ import annotations

from receiver.command import Argument, Command, Option, Where
from receiver.table import APP, COMMANDS, GROUPS, find_command
from toppcloud.errors import ToppcloudError

_WIDTH = 100


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


def render_overview() -> str:
    """Every command with its line, grouped by noun."""
    lines = ["Usage: toppcloud COMMAND [options] …      the same over ssh: ssh toppcloud@NODE COMMAND …", ""]
    for title, commands in GROUPS.items():
        lines.append(title)
        lines += [f"  {command.name:<16} {command.summary}" for command in commands]
        lines.append("")
    lines.append("One command with its options and an example: toppcloud help config:set")
    return "\n".join(lines) + "\n"


def render_help(command: Command) -> str:
    """One command: usage, what it does, options, example."""
    lines = [f"Usage: toppcloud {render_usage(command)}", "", f"{command.summary}."]
    if command.help:
        lines += _wrap(command.help)
    if options := options_of(command):
        shown = [(_render_flags(option), option.help + _render_default(option)) for option in options]
        width = max(len(flags) for flags, _ in shown)
        lines += ["", *(f"  {flags:<{width}}  {text}" for flags, text in shown)]
    lines += ["", f"Example: toppcloud {command.example}"]
    return "\n".join(lines) + "\n"


def render_noun(noun: str) -> str | None:
    """The commands of `config` or `node` in short, or None when there is no such noun."""
    commands = [command for command in COMMANDS.values() if command.noun == noun]
    return "".join(f"{command.name:<16} {command.summary}\n" for command in commands) or None


def render_usage(command: Command) -> str:
    """`config:set [options] KEY=VALUE…`."""
    words = [command.name]
    if options_of(command):
        words.append("[options]")
    return " ".join([*words, *(_render_argument(argument) for argument in command.arguments)])


def options_of(command: Command) -> tuple[Option, ...]:
    """All options, `-a/--app` first where an app is meant."""
    return (APP, *command.options) if command.app else command.options


def render_page() -> str:
    """docs/commands.md."""
    lines = [*_PAGE_HEAD]
    for title, commands in GROUPS.items():
        lines += [f"## {title}", ""]
        for command in commands:
            lines += _render_section(command)
    return "\n".join(lines).rstrip() + "\n"


def _render_section(command: Command) -> list[str]:
    lines = [f"### `{command.name}`", "", f"{command.summary}. {command.help}".strip(), ""]
    lines += ["    $ toppcloud " + command.example, "", f"Usage: `toppcloud {render_usage(command)}`", ""]
    if options := options_of(command):
        lines += [f"- `{_render_flags(option)}`: {option.help}{_render_default(option)}" for option in options]
        lines.append("")
    if command.where is Where.LAPTOP:
        lines += ["Runs on the machine where you type it.", ""]
    return lines


def _render_argument(argument: Argument) -> str:
    word = f"{argument.metavar}…" if argument.many else argument.metavar
    return word if argument.required else f"[{word}]"


def _render_flags(option: Option) -> str:
    flags = ", ".join(option.flags)
    return f"{flags} {option.metavar}" if option.metavar else flags


def _render_default(option: Option) -> str:
    return "" if option.default is None else f" (default {option.default})"


def _wrap(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


_PAGE_HEAD = """# Commands

The same table answers over ssh and on the laptop:

    $ ssh -p 2222 toppcloud@127.0.0.1 config:set SECRET=x -a blog
    $ toppcloud config:set SECRET=x

The laptop command reads host and app from the git remote called `toppcloud` of the repository that you are in.
`-a APP` names another app, `--remote NAME` or `$TOPPCLOUD_REMOTE` another remote. Without a remote it takes the
node on this machine. It runs ssh as git would: `$GIT_SSH_COMMAND`, `core.sshCommand` and `$GIT_SSH` count.

Over plain ssh, words are split as a POSIX shell splits them (quotes, backslashes) and nothing is expanded. Your own
shell splits them first, so quote twice there: `ssh … "config:set NOTE='two words' -a blog"`. The laptop command does
that for you.

Exit status: 0; 1 refused, with what, why and cure on stderr; 2 wrong usage, with the nearest command; 255 the node
cannot be reached. `run` exits with the status of what it ran. Results go to stdout, the progress of long work to
stderr. `--json` prints JSON, with times in ISO 8601 and sizes in bytes.

In the embedded node every key is an admin's: whoever may push may do all that is on this page.

This page is written by `python -m receiver.help_text > docs/commands.md`.

""".splitlines()


if __name__ == "__main__":
    print(render_page(), end="")
