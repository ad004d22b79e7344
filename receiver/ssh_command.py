"""How the laptop command runs ssh: as git would, so that whatever makes `git push` work makes the rest work.

Source: git-config(1), core.sshCommand; git(1), GIT_SSH_COMMAND and GIT_SSH: the first two are lines for the shell.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from receiver.remote import SSH_PORT, Remote
from receiver.words import quote_words
from toppcloud.errors import UNREACHABLE, WRONG_USAGE, ToppcloudError

_SHELL_CHARACTERS = re.compile(r"[|&;<>()$`\\\"' \t\n*?\[#~=%]")
_LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
PROBE_TIMEOUT_S = 2.0


def choose_ssh(environ: Mapping[str, str], git_config: Mapping[str, str]) -> list[str]:
    """The first words of the argv that runs ssh: `["ssh"]`, or a shell that runs the person's own command line."""
    if line := environ.get("GIT_SSH_COMMAND") or git_config.get("core.sshcommand"):
        return ["sh", "-c", f'{line} "$@"', line] if _SHELL_CHARACTERS.search(line) else [line]
    return [environ.get("GIT_SSH") or "ssh"]


def build_argv(ssh: Sequence[str], remote: Remote, words: Sequence[str], *, terminal: bool) -> list[str]:
    """The whole argv: `ssh -T -p 2222 toppcloud@127.0.0.1 "config:get KEY"`. The words arrive as they are.

    Raises ToppcloudError (status 2) for a word that is not UTF-8: SSH sends text.
    """
    for word in words:
        if not _is_text(word):
            raise ToppcloudError(f"{word!a} is not UTF-8 text.", "SSH commands are text.", status=WRONG_USAGE)
    port = [] if remote.port is None else ["-p", str(remote.port)]
    return [*ssh, "-t" if terminal else "-T", *port, f"{remote.user}@{remote.host}", quote_words(words)]


def check_local_node(remote: Remote) -> None:
    """Say in plain words that the node on this machine does not run; for others, ssh knows best how to reach them."""
    if remote.host not in _LOCAL_HOSTS:
        return
    try:
        socket.create_connection((remote.host, remote.port or SSH_PORT), PROBE_TIMEOUT_S).close()
    except OSError as error:
        raise ToppcloudError(
            f"Nothing answers at {remote.host}:{remote.port or SSH_PORT}.",
            f"{os.strerror(error.errno) if error.errno else error}: the node on this machine does not run.",
            "Start it: toppcloud node start",
            status=UNREACHABLE,
        ) from error


def become(argv: list[str]) -> NoReturn:
    """Turn this process into ssh, so that streams, terminal, signals and exit status are its own."""
    sys.stdout.flush()
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise ToppcloudError(
                "That is too long for a command line.",
                "Systems limit one word to 128 KB.",
                "Large config vars: toppcloud config:import < FILE",
                status=WRONG_USAGE,
            ) from error
        raise ToppcloudError(
            f"{argv[0]} cannot be run.", str(error), "Install an ssh client.", status=UNREACHABLE
        ) from error


def read_answer(argv: list[str]) -> str:
    """What the node prints, while ssh may still ask the person things. Exits with ssh's status when it is not 0."""
    reading, writing = os.pipe()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = file.read().decode("utf-8", "replace")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        sys.exit(status if status > 0 else 128 - status)
    return answer


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
