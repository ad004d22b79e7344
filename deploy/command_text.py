"""A Procfile line: how it is run so that signals and inherited sockets reach the right process.

gunicorn blog.wsgi --bind 0.0.0.0:$PORT      one program: run as it is, $PORT put in; no shell adds variables of its own
python report.py "$HOME/x" *.csv             one program with more to expand: a shell does, and becomes it (`exec`)
python migrate.py && gunicorn blog.wsgi      several: the shell stays, and is stopped as a process group
bash start.sh                                a script: run as it is, and stopped as a process group too
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_SHELL = "/bin/bash"
_NEEDS_SHELL = re.compile(r"[;&|<>()`\n]|\$\(")
_SINGLE_QUOTED = re.compile(r"'[^']*'")
_PORT = re.compile(r"('[^']*')|\$PORT\b|\$\{PORT\}")
_EXPANDED = re.compile(r"[$*?\[\]~#!{}\\]")  # what a shell would do more with than split
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SHELL_WORDS = "cd exec export if for while case until source . set eval ulimit umask trap { ! time [["
_BUILTINS = frozenset(_SHELL_WORDS.split())
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh"))
_PYTHON = re.compile(r"python[\d.]*\Z")
_RAW_WORD = re.compile(r"(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|\$\{[^}]*\}|[^\s'\"\\])+")


@dataclass(frozen=True)
class CommandText:
    """A parsed process type's command."""

    text: str
    is_single: bool
    """One program that replaces its shell; else the shell stays."""
    words: tuple[str, ...]
    """The program and its arguments as far as they can be told without a shell; empty for several programs."""

    @property
    def program(self) -> str:
        """`gunicorn` for `DEBUG=1 bin/gunicorn a:app` and `python -m gunicorn a:app`; empty when a shell must say."""
        name = self.words[0].rsplit("/", 1)[-1] if self.words else ""
        is_module = _PYTHON.match(name) and len(self.words) > 2 and self.words[1] == "-m"
        return self.words[2] if is_module else name

    @property
    def script(self) -> str | None:
        """The file that may be a shell script: `start.sh` for `bash -e start.sh`, `bin/start` for `bin/start`."""
        if not self.words or self.words[0].rsplit("/", 1)[-1] not in _SHELLS:
            return self.words[0] if self.words else None
        return next((word for word in self.words[1:] if not word.startswith("-")), None)


def parse_command(text: str) -> CommandText:
    """Tell a single program from a line that needs a shell of its own."""
    text = text.strip()
    try:
        words = shlex.split(text)
    except ValueError:
        return CommandText(text, False, ())
    while words and _ASSIGNMENT.match(words[0]):
        words.pop(0)
    unquoted = re.sub(r"'[^']*'|\"(?:[^\"\\$`]|\\.)*\"|\\.", "", text)
    is_single = bool(words) and words[0] not in _BUILTINS and not _NEEDS_SHELL.search(unquoted)
    return CommandText(text, is_single, tuple(words) if is_single else ())


def render_argv(command: CommandText, port: int | str, extra: tuple[str, ...] = ()) -> list[str]:
    """The argv that runs it, `port` in place of $PORT. `extra` words are put at the end of a single program's line."""
    if not command.is_single:
        return [_SHELL, "-c", command.text]
    with_port = _PORT.sub(lambda match: match[1] or str(port), command.text)
    if not _EXPANDED.search(_SINGLE_QUOTED.sub("", with_port)) and not _ASSIGNMENT.match(with_port):
        return [*shlex.split(with_port), *extra]
    assignments, rest = _split_assignments(command.text)
    tail = "".join(f" {shlex.quote(word)}" for word in extra)
    return [_SHELL, "-c", f"{assignments}exec {rest}{tail}"]


def find_gunicorn_config(command: CommandText) -> str | None:
    """The value of `-c X`, `--config X`, `--config=X` in a single gunicorn line; the last one counts."""
    found = None
    words = command.words
    for index, word in enumerate(words):
        if word in ("-c", "--config") and index + 1 < len(words):
            found = words[index + 1]
        elif word.startswith("--config="):
            found = word.partition("=")[2]
        elif word.startswith("-c") and len(word) > 2 and not word.startswith("--"):
            found = word[2:]
    return found


def scales_by_workers(command: CommandText, gunicorn_arguments: str = "") -> bool:
    """Whether one gunicorn can do the work of several by more workers: a single line of it that does not fix their
    number, nor does GUNICORN_CMD_ARGS."""
    words = [*command.words, *gunicorn_arguments.split()]
    is_fixed = any(word.startswith(("--workers", "-w")) for word in words)
    return command.program == "gunicorn" and not is_fixed


def split_raw(text: str) -> list[str]:
    """The words of a single program's line, quotes and expansions as they stand: [`gunicorn`, `'a b'`, `"$X"`]."""
    return _RAW_WORD.findall(text)


def _split_assignments(text: str) -> tuple[str, str]:
    """`A=1 B='x y' gunicorn app` -> ("A=1 B='x y' ", "gunicorn app")."""
    lexer_end = 0
    pattern = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*=(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^\s'\"\\])*\s+")
    while match := pattern.match(text, lexer_end):
        lexer_end = match.end()
    return text[:lexer_end], text[lexer_end:]
