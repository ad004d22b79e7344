"""Programs that need nothing of ours: a Procfile or `[web] command` says how they run, and no file what to install.

web: node server.js
"""

from __future__ import annotations

import re
from pathlib import Path

from buildpacks.buildpack import Contribution, Workshop
from buildpacks.detection import has_dependencies, list_others
from buildpacks.processes import Declarations, Processes, choose_processes
from toppcloud.console import Console

NAME = "program"
VERSION = "program 1"
_OTHER_LANGUAGES = frozenset({"package.json", "Gemfile"})
_PYTHON = re.compile(
    r"(?:^|[\s/'\"=(;&|])(?:python[\d.]*|pip\d?|uv|gunicorn|uvicorn|hypercorn|p?y?uwsgi|daphne|waitress-serve|flask|fastapi"
    r"|django-admin|celery|streamlit|[\w.-]+\.py)(?=[\s'\";&|)]|\Z)",
    re.MULTILINE,
)


def find(source: Path, declarations: Declarations) -> str | None:
    """Why the project is nothing but programs to run."""
    programs = find_bare_programs(source, declarations)
    return programs.why if programs else None


def build(workshop: Workshop, _console: Console) -> Contribution:
    """Nothing is to be made."""
    return Contribution(VERSION, choose_processes(workshop.source, workshop.declarations))


def find_bare_programs(source: Path, declarations: Declarations) -> Processes | None:
    """The processes of a project that needs no virtualenv; None when there is a sign of Python, or nothing to run."""
    web = declarations.toml.web
    if has_dependencies(source) or not (declarations.procfile or web) or (web and web.kind != "command"):
        return None
    if not _OTHER_LANGUAGES.issuperset(list_others(source)):
        return None
    processes = choose_processes(source, declarations)
    commands = [*processes.commands.values(), processes.release_command or ""]
    return None if any(_PYTHON.search(command) for command in commands) else processes
