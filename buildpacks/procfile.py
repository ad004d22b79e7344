"""Procfile -> process types, in its order. Strict: what is not understood is refused with its line's number.

web: gunicorn blog.wsgi
Source: https://devcenter.heroku.com/articles/procfile
"""

from __future__ import annotations

import re

from toppcloud.errors import ToppcloudError
from toppcloud.names import parse_process_type

_LINE = re.compile(r"([A-Za-z0-9_-]+)\s*:\s*(.*)\Z")


def parse_procfile(text: str) -> dict[str, str]:
    """{"web": "gunicorn blog.wsgi", "release": "python manage.py migrate"}.

    Blank lines and lines that begin with `#` are skipped. Raises ToppcloudError naming the line.
    """
    processes: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if not match:
            raise _refusal(number, line, "A line is a process type, a colon and a command.")
        name, command = parse_process_type(match[1]), match[2]
        if not command:
            raise _refusal(number, line, f"'{name}' has no command.")
        if "\0" in command:
            raise _refusal(number, line, f"The command of '{name}' holds a NUL byte.")
        if name in processes:
            raise _refusal(number, line, f"'{name}' is there twice.")
        processes[name] = command
    if not processes:
        raise ToppcloudError(
            "Procfile names no process type.",
            "All its lines are empty or comments.",
            "Add one, for example: web: gunicorn app:app",
            reason="empty Procfile",
        )
    return processes


def _refusal(number: int, line: str, why: str) -> ToppcloudError:
    return ToppcloudError(
        f"Procfile, line {number}, cannot be understood: {line[:120]}",
        why,
        "Write it as: web: gunicorn app:app",
        reason="invalid Procfile",
    )
