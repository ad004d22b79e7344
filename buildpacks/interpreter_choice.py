"""The Python that a build uses: one that the node has, else one that uv fetches into ROOT/pythons."""

from __future__ import annotations

from buildpacks.interpreter_fetch import IsCancelled, fetch_python, list_fetchable
from buildpacks.interpreter_refusal import refuse_missing
from buildpacks.interpreters import Interpreter, choose_interpreter, find_interpreters
from buildpacks.python_choice import PythonRules, warn_of_age
from buildpacks.python_version import ANY_PYTHON, NODE_DEFAULT, PYTHON_VERSION_FILE, PythonRequest, render_change
from toppcloud.console import Console
from toppcloud.durations import now_utc
from toppcloud.node import Node
from toppcloud.program import ProgramFailed


def make_rules(node: Node) -> PythonRules:
    """What node.toml says, today."""
    return PythonRules(now_utc().date(), node.settings.python, node.settings.allow_old_python)


def ensure_project_interpreter(
    node: Node, request: PythonRequest, console: Console, is_cancelled: IsCancelled | None = None
) -> Interpreter:
    """As `ensure_interpreter`, for a push: its author is told what is unwise about the version."""
    interpreter = ensure_interpreter(node, request, console, is_cancelled)
    known = list_fetchable(node) if request.is_exact else ()
    here = tuple(other.version for other in find_interpreters(node).usable) if request.is_exact else ()
    for warning in (*request.warnings, *warn_of_age(interpreter.version, request, (*known, *here), make_rules(node))):
        console.warning(warning)
    if request.origin in (ANY_PYTHON.origin, NODE_DEFAULT):
        keep = render_change(PYTHON_VERSION_FILE, interpreter.minor)
        console.detail(f"no version of Python is asked for; to stay on {interpreter.minor}: {keep}")
    return interpreter


def ensure_interpreter(
    node: Node, request: PythonRequest, console: Console, is_cancelled: IsCancelled | None = None
) -> Interpreter:
    """The interpreter for `request`, fetched when the node has none. Raises ToppcloudError naming those there are."""
    found = find_interpreters(node)
    chosen = choose_interpreter(request, found.usable)
    if chosen:
        return chosen
    fetchable = list_fetchable(node)
    if fetchable and not any(request.admits(version) for version in fetchable):
        raise refuse_missing(node, request, found, fetchable, None)
    try:
        console.step(f"Python {request.text} ({request.origin}) is not on this node: uv fetches it")
        with console.timed_step(f"Python {request.text} fetched by uv"):
            fetch_python(node, request, console, is_cancelled)
    except ProgramFailed as error:
        raise refuse_missing(node, request, found, fetchable, error) from error
    found = find_interpreters(node)
    chosen = choose_interpreter(request, found.usable)
    if chosen is None:
        raise refuse_missing(node, request, found, fetchable, None)
    return chosen
