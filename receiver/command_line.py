"""The `toppcloud` command. On a laptop it is ssh with the right words; what runs on this machine it does itself.

It starts fast: nothing is imported before it is needed, and in the end it becomes ssh.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from receiver.command import Command, Where
from receiver.table import find_command
from toppcloud.errors import REFUSED, WRONG_USAGE, ToppcloudError

if TYPE_CHECKING:
    from receiver.remote import Remote

COMPLETE = "__complete"
_INTERRUPTED = 130


def main() -> None:
    """Console script."""
    try:
        status = run_words(sys.argv[1:])
        sys.stdout.flush()
        sys.exit(status)
    except ToppcloudError as error:
        sys.stdout.flush()
        lines = [*error.output[-20:], *error.lines()]
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains once more at its end
        sys.exit(1)
    except OSError as error:  # this machine's fault: a folder closed to us, a full disk
        what = error.strerror or str(error)
        sys.stderr.write(f"{what}: {error.filename}\n" if error.filename else f"{what}\n")
        sys.exit(REFUSED)


def run_words(words: Sequence[str]) -> int:
    """Do what `words` say and return the exit status, or become ssh."""
    if not words or words[0] in ("-h", "--help", "help"):
        return _help(tuple(words[1:]))
    if words[0] in ("--version", "version"):
        return _version()
    if words[0] == COMPLETE:
        from receiver.completion import print_candidates

        print_candidates(list(words[1:]))
        return 0
    command, rest = find_command(words)
    if "--help" in _own_words(command, rest):
        return _help(tuple(command.name.split()))
    if command.where is Where.LAPTOP:
        return _run_here(command, rest)
    return _run_there(command, rest)


def _own_words(command: Command, words: list[str]) -> list[str]:
    """The words that are toppcloud's: those before `--`, and for `run` those before the command."""
    end = words.index("--") if "--" in words else len(words)
    if command.words:
        position = 0
        while position < end and words[position].startswith("-"):
            position += 2 if words[position] in ("-a", "--app", "-r", "--remote") else 1
        end = min(position, end)
    return words[:end]


def take_remote_name(command: Command, words: list[str]) -> tuple[str | None, list[str]]:
    """`["--remote", "staging", "A=1"]` -> ("staging", ["A=1"]). The option is the laptop's, not the node's."""
    own = _own_words(command, words)
    for position, word in enumerate(own):
        flag, equals, value = word.partition("=")
        if flag == "--remote" and equals:
            return value, words[:position] + words[position + 1 :]
        if word in ("-r", "--remote"):
            if position + 1 >= len(words):
                raise ToppcloudError(f"{word} wants the name of a git remote.", status=WRONG_USAGE)
            return words[position + 1], words[:position] + words[position + 2 :]
    return None, words


def _run_there(command: Command, words: list[str]) -> int:
    from receiver.git_config import read_git_config
    from receiver.ssh_command import become, build_argv, check_local_node, choose_ssh, read_answer

    remote_name, words = take_remote_name(command, words)
    if command.name == "keys:add":
        words = _take_key_file(command, words)
    config = read_git_config(os.environ)
    remote = choose_remote(remote_name or os.environ.get("TOPPCLOUD_REMOTE"), config, os.environ)
    if command.app and remote.app:
        words = ["-a", remote.app, *words]  # in front, so that the person's own -a wins
    is_interactive = command.terminal and sys.stdin.isatty() and sys.stdout.isatty()
    argv = build_argv(choose_ssh(os.environ, config), remote, [command.name, *words], terminal=is_interactive)
    check_local_node(remote)
    if command.name == "open":
        return _open(read_answer(argv))
    return become(argv)


def choose_remote(name: str | None, config: Mapping[str, str], environ: Mapping[str, str]) -> Remote:
    """The node, and perhaps the app, that is meant here: the git remote `name`, else the node on this machine."""
    from receiver.remote import DEFAULT_NAME, parse_remote_url

    if url := config.get(f"remote.{name or DEFAULT_NAME}.url"):
        return parse_remote_url(url)
    if name:
        raise ToppcloudError(
            f"There is no git remote '{name}' here.",
            "It says which node and which app are meant.",
            f"Add it: toppcloud git:remote APP --remote {name}",
        )
    from receiver.local_node import find_local_node

    if node := find_local_node(environ):
        return node
    raise ToppcloudError(
        "Which node?",
        f"There is no git remote '{DEFAULT_NAME}' here, and no node on this machine.",
        "Add the remote: toppcloud git:remote APP --host HOST      Start a node: toppcloud node start",
    )


def _run_here(command: Command, words: list[str]) -> int:
    import importlib

    from receiver.usage import parse_arguments

    arguments = parse_arguments(command, words)
    module, _, function = command.handler.partition(":")
    try:
        handler = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise ToppcloudError(
            f"'{command.name}' needs more than the laptop command.",
            f"The Python package '{error.name}' is not installed here.",
            "Install what a node needs: pip install 'toppcloud[node]'",
        ) from error
    return int(handler(**arguments) or 0)


def _take_key_file(command: Command, words: list[str]) -> list[str]:
    """Let the named file be stdin; the words that are left are for the node."""
    from receiver.usage import parse_arguments

    arguments = parse_arguments(command, words)
    path = arguments["file"]
    if path in (None, "-"):
        if sys.stdin.isatty():
            sys.stderr.write("Paste the public key, then press Enter and Ctrl-D.\n")
        return [arguments["name"]]
    try:
        fd = os.open(os.path.expanduser(path), os.O_RDONLY)  # noqa: PTH111
    except OSError as error:
        raise ToppcloudError(f"{path} cannot be read.", error.strerror or str(error), "Name a .pub file.") from error
    if b"PRIVATE KEY" in os.pread(fd, 4096, 0):
        raise ToppcloudError(
            f"{path} is a private key.",
            "It was not sent: a private key never leaves its machine.",
            f"Send the public one: toppcloud keys:add {arguments['name']} {path}.pub",
        )
    os.dup2(fd, 0)
    return [arguments["name"]]


def _open(answer: str) -> int:
    url = answer.strip().splitlines()[-1] if answer.strip() else ""
    print(url, flush=True)
    names = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    has_display = sys.platform == "darwin" or any(os.environ.get(name) for name in names)
    if url.startswith(("http://", "https://")) and has_display:
        import webbrowser

        webbrowser.open(url)
    return 0


def _help(words: tuple[str, ...]) -> int:
    from receiver.help_text import render_topic

    sys.stdout.write(render_topic(words))
    return 0


def _version() -> int:
    from toppcloud import __version__

    print(f"toppcloud {__version__}")
    return 0
