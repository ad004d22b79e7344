"""How a web process's line is run so that it serves the node's socket: what its server needs besides the words.

gunicorn    takes the inherited socket by itself; what it needs is rendered with the start
uvicorn     `--fd 3` in place of its own `--uds`; it reads the router's headers by itself
hypercorn   `--bind fd://3` in place of its own; the app is wrapped, since it gives it no visitor's address
uwsgi       would take the socket for one of its own protocol: it is given none, and is reached through its $PORT
Ruby        Puma closes a socket that it was not told of, and would remove its path; anything may start it: likewise
mod_wsgi    an Apache of the app's own, see deploy/mod_wsgi.py; through its $PORT
others      have the socket, and are reached through their $PORT when they listen there instead
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from deploy import mod_wsgi
from deploy.command_text import CommandText, parse_command, render_argv, split_raw
from deploy.launcher import LISTEN_FD, PORT_MARK
from deploy.render import render_template

HYPERCORN_APP = "hypercorn_app.py"
_FLAGS = frozenset({"-D", "--daemon", "--debug", "--reload"})
_BIND = re.compile(r"(?:-b|--bind)(=?)(.*)\Z", re.DOTALL)
_UDS = re.compile(r"--uds(=?)(.*)\Z", re.DOTALL)
_EXPANDED = re.compile(r"[$`*?~]")
_UWSGI = re.compile(r"\buwsgi\b", re.IGNORECASE)
_RUBY = re.compile(
    r"(?:^|[\s/'\"=(;&|])(?:bundle|ruby|rake|puma|rails|rackup|[\w.-]+\.r[bu])(?=[\s'\";&|)]|\Z)", re.MULTILINE
)
_NPM = re.compile(r"(?:npm|npx|yarn|pnpm|foreman)\Z")
_SHELL_SCRIPT = re.compile(rb"#!\s*(?:/usr/bin/env\s+(?:-S\s*)?)?(?:\S*/)?(?:ba|da|z|k)?sh\b")
_LARGEST_SCRIPT = 64 * 1024


@dataclass(frozen=True)
class Place:
    """Where a process is to run, and with what."""

    program: str
    """`blog.web.1.v12.2`"""
    source: Path
    """Its current directory."""
    folder: Path
    """The start's, which it may read."""
    tmp: Path
    """The release's, which it may write."""
    venv: Path | None
    python_version: str | None


@dataclass(frozen=True)
class Runner:
    """What is run instead of the line as it stands."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """To be written into the start's folder."""
    takes_socket: bool = True
    stops_group: bool = False
    """SIGTERM goes to all processes of it at once, since a shell would keep it to itself."""
    stop_signal: str = "TERM"


def choose_runner(command: CommandText, place: Place, extra: tuple[str, ...]) -> Runner:
    """For a web process. `extra` are words to be put at the end of a single program's line. Raises ToppcloudError."""
    if command.program == mod_wsgi.PROGRAM:
        return _run_mod_wsgi(command, place)
    if command.program == "uvicorn":
        return _run_uvicorn(command, extra)
    if command.program == "hypercorn":
        return _run_hypercorn(command, place, extra)
    return choose_worker_runner(command, place, extra)


def choose_worker_runner(command: CommandText, place: Place, extra: tuple[str, ...] = ()) -> Runner:
    """For a process that runs as its line says."""
    script = read_script(command, place.source)
    is_uwsgi = bool(_UWSGI.search(command.text) or _UWSGI.search(script))
    return Runner(
        _argv(command, extra),
        environment={"UWSGI_DIE_ON_TERM": "1"} if is_uwsgi else {},  # else SIGTERM has it load the app again
        takes_socket=not is_uwsgi and not _RUBY.search(command.text) and not _RUBY.search(script),
        stops_group=stops_group(command, script) or bool(_NPM.match(command.program)),
    )


def _argv(command: CommandText, extra: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(render_argv(command, PORT_MARK, extra))


def stops_group(command: CommandText, script: str) -> bool:
    """Whether a shell stays in front of the programs: several of them, or a script."""
    return not command.is_single or bool(script)


def read_script(command: CommandText, source: Path) -> str:
    """The text of the shell script that a single program's line runs; empty when it runs none."""
    if command.script is None:
        return ""
    path = source / command.script
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_SCRIPT:
            return ""
        content = path.read_bytes()
    except (OSError, ValueError):
        return ""  # nothing of ours to complain of: whoever runs it will
    is_named = command.script != command.words[0]  # `sh start.sh` needs no first line
    return content.decode(errors="replace") if is_named or _SHELL_SCRIPT.match(content) else ""


def _run_uvicorn(command: CommandText, extra: tuple[str, ...]) -> Runner:
    words = split_raw(command.text)
    kept = drop_option(words, _UDS)  # with several workers it would count more than the descriptor
    bound = command if kept == words else parse_command(" ".join(kept))
    return Runner(_argv(bound, (*extra, "--fd", str(LISTEN_FD))))


def _run_hypercorn(command: CommandText, place: Place, extra: tuple[str, ...]) -> Runner:
    words = drop_option(split_raw(command.text), _BIND)
    target = find_target(words)
    files = {}
    if target is not None and not _EXPANDED.search(words[target]) and ":" not in str(place.folder):
        (app,) = shlex.split(words[target])
        files[HYPERCORN_APP] = render_template("hypercorn_app.py.j2", program=place.program, target=app)
        mode = app.partition(":")[0] if app.count(":") == 2 else ""
        words[target] = shlex.quote(f"{mode}:{place.folder / HYPERCORN_APP}:app".lstrip(":"))
    bound = parse_command(" ".join(words))
    return Runner(_argv(bound, (*extra, "--bind", f"fd://{LISTEN_FD}")), files=files)


def _run_mod_wsgi(command: CommandText, place: Place) -> Runner:
    httpd = mod_wsgi.find_httpd(place.venv, place.python_version)
    conf = place.folder / mod_wsgi.CONF
    files = mod_wsgi.render_httpd(httpd, command.words[1:], place.program, place.source, conf, place.tmp, place.venv)
    argv = (str(httpd.program), "-f", str(conf), "-DFOREGROUND")
    return Runner(argv, files=files, takes_socket=False, stop_signal="WINCH")


def drop_option(words: list[str], option: re.Pattern[str]) -> list[str]:
    """The raw words without `-b X`, `-bX`, `--bind X`, `--bind=X`, of which there may be several."""
    kept: list[str] = []
    is_value = False
    for word in words:
        match = option.match(word)
        if is_value:
            is_value = False
        elif match and (match[1] or word.startswith("-b") or not match[2]):
            is_value = not match[2] and not match[1]
        else:
            kept.append(word)
    return kept


def find_target(words: list[str]) -> int | None:
    """Where in a hypercorn line its app stands: the first word that is no option and no option's value."""
    start = next((at for at, word in enumerate(words) if word.rsplit("/", 1)[-1] == "hypercorn"), len(words))
    is_value = False
    for at in range(start + 1, len(words)):
        word = words[at]
        if is_value:
            is_value = False
        elif word.startswith("--"):
            is_value = "=" not in word and word not in _FLAGS
        elif word.startswith("-"):
            is_value = len(word) == 2 and word not in _FLAGS
        else:
            return at
    return None
