"""What a start runs with, as files: gunicorn.conf.py, supervisor programs, launcher specs. Pure text, except `write_`.

supervisord reads `%(name)s` in every value and splits the command as a shell would; see `quote_command`.
Source: supervisor's manual, "Program Section Values"; gunicorn's manual, "Settings".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from toppcloud.errors import ToppcloudError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn's heartbeat files must not wait for a disk
_LONGEST_NGINX_WORD = 4000
_SPECIAL = re.compile(r"[^\w@%+=:,./-]", re.ASCII)


def quote_python(value: object) -> str:
    """A Python literal: safe in a configuration that is Python."""
    return repr(str(value))


def quote_comment(value: object) -> str:
    """One line of printable text: safe behind a `#`."""
    return "".join(c if c.isprintable() else "?" for c in str(value))


def quote_command(argv: Sequence[object]) -> str:
    """argv as supervisord's `command=`: `%` doubled, a backslash before whatever means something to the shell.

    Quotes would not do: ` ;` and ` #` begin a comment in an INI file even between them. Line breaks are refused.
    """
    words = [str(word) for word in argv]
    if any("\n" in word or "\r" in word or "\0" in word for word in words):
        raise ToppcloudError("A path of this node holds a line break.", repr(words), "Move the node to another folder.")
    return " ".join(_SPECIAL.sub(r"\\\g<0>", word).replace("%", "%%") or "''" for word in words)


def quote_nginx(text: str) -> str:
    """One word of nginx's configuration, which knows no way to say a dollar sign, and no word longer than 4 KB."""
    assert "$" not in text and len(text) < _LONGEST_NGINX_WORD, "this cannot stand in nginx's configuration"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def make_templates() -> Environment:
    """The templates of deploy/templates, with quoting filters; an unknown name is an error."""
    templates = Environment(  # noqa: S701 - none of these files is HTML
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(python=quote_python, comment=quote_comment, command=quote_command, nginx=quote_nginx)
    return templates


def compile_templates() -> dict[str, Template]:
    """All of them, at import: a session is forked from a process that has done this, and would wait 40 ms for it."""
    templates = make_templates()
    return {name: templates.get_template(name) for name in templates.list_templates(extensions=["j2"])}


_TEMPLATES = compile_templates()


def render_template(name: str, **values: Any) -> str:
    """The text of `deploy/templates/NAME`."""
    return _TEMPLATES[name].render(**values)


def render_gunicorn_conf(program: str, *, app_config: str | None, drain_s: int, times: int = 1) -> str:
    """gunicorn.conf.py of one start; the app's own configuration is read first when it has one. `times`: so many times
    the workers that it would have."""
    shared_memory = str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else ""
    return render_template(
        "gunicorn.conf.py.j2",
        program=program,
        app_config=app_config or "",
        drain_s=drain_s,
        shared_memory=shared_memory,
        times=times,
    )


def render_program(
    program: str, argv: Sequence[str], *, drain_s: int, stop_group: bool, stop_signal: str = "TERM"
) -> str:
    """The supervisor program that runs the launcher for one process."""
    return render_template(
        "program.ini.j2", program=program, argv=argv, drain_s=drain_s, stop_group=stop_group, stop_signal=stop_signal
    )
