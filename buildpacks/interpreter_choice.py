"""The Python that a build uses: one that the node has, else one that uv fetches into ROOT/pythons."""

from __future__ import annotations

import json
from collections.abc import Callable

from buildpacks.interpreters import (
    ClosedInterpreter,
    Interpreter,
    Interpreters,
    choose_interpreter,
    find_interpreters,
)
from buildpacks.python_version import PythonRequest
from buildpacks.uv import find_uv, operator_environment
from toppcloud.account import this_account
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.lock import hold_lock
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, run

_KEPT_BY_UV = frozenset({".lock", ".gitignore"})
IsCancelled = Callable[[], str | None]


def ensure_interpreter(
    node: Node, request: PythonRequest, console: Console, is_cancelled: IsCancelled | None = None
) -> Interpreter:
    """The interpreter for `request`, fetched when the node has none. Raises ToppcloudError naming those there are."""
    found = find_interpreters(node)
    chosen = choose_interpreter(request, found.usable)
    if chosen:
        return chosen
    try:
        with console.timed_step(f"Python {request.text} fetched by uv"):
            fetch_python(node, request, is_cancelled)
    except ProgramFailed as error:
        raise _refusal(node, request, found, error) from error
    chosen = choose_interpreter(request, find_interpreters(node).usable)
    if chosen is None:
        raise _refusal(node, request, find_interpreters(node), None)
    return chosen


def fetch_python(node: Node, request: PythonRequest, is_cancelled: IsCancelled | None = None) -> None:
    """Let uv install it below ROOT/pythons, as the node's own user. What a failure leaves behind is removed."""
    pythons = node.layout.pythons
    pythons.mkdir(parents=True, exist_ok=True)
    node.layout.cache.mkdir(parents=True, exist_ok=True)
    environment = {
        **operator_environment(node),
        "UV_PYTHON_INSTALL_DIR": str(pythons),
        "UV_PYTHON_INSTALL_BIN": "0",
        "UV_PYTHON_PREFERENCE": "only-managed",
    }
    argv = [str(find_uv(node.layout, this_account())), "python", "install", "--no-config", request.text]
    limit_s = node.settings.build_timeout_s
    with hold_lock(
        node.layout.interpreter_lock, by="build", doing=f"fetching Python {request.text}", timeout_s=limit_s
    ):
        before = {path.name for path in pythons.iterdir()}
        try:
            run(argv, env=environment, cwd=pythons, timeout_s=limit_s, is_cancelled=is_cancelled)
        except BaseException:
            for path in [path for path in pythons.iterdir() if path.name not in before | _KEPT_BY_UV]:
                remove_tree(path)
            raise


def list_fetchable(node: Node) -> tuple[str, ...]:
    """The CPython versions that this uv knows where to fetch, newest first: it need not reach them."""
    argv = [str(find_uv(node.layout, this_account())), "python", "list", "--no-config"]
    argv += ["--only-downloads", "--all-versions", "--output-format", "json"]
    try:
        entries = json.loads(run(argv, env=operator_environment(node), cwd=node.layout.root).stdout)
        names = [e["version"] for e in entries if e["implementation"] == "cpython" and e.get("variant") == "default"]
    except (ToppcloudError, ValueError, KeyError, TypeError):
        return ()
    return tuple(dict.fromkeys(name for name in names if name.replace(".", "").isdigit()))


def _refusal(node: Node, request: PythonRequest, found: Interpreters, failure: ProgramFailed | None) -> ToppcloudError:
    wish = f"{request.text} ({request.origin})"
    fetchable = list_fetchable(node)
    is_known = any(request.admits(version) for version in fetchable)
    what = (
        f"Python {wish} is not on this node, and it could not be fetched."
        if is_known or not fetchable
        else f"There is no Python {wish} to be had."
    )
    closed = [interpreter for interpreter in found.closed if _may_fit(request, interpreter)]
    return ToppcloudError(
        what,
        "\n".join([_render_usable(found), *_render_fetchable(fetchable, is_known), *_render_closed(node, closed)]),
        _choose_cure(request, found, closed),
        reason="no such Python",
        output=failure.output if failure and is_known else (),
    )


def _render_usable(found: Interpreters) -> str:
    versions = sorted({i.version for i in found.usable}, key=_as_numbers, reverse=True)
    return f"This node has {', '.join(versions)}." if versions else "This node has no Python that apps can use."


def _render_fetchable(fetchable: tuple[str, ...], is_known: bool) -> list[str]:
    minors = sorted({".".join(version.split(".")[:2]) for version in fetchable}, key=_as_numbers)
    return [f"uv can fetch the newest of {', '.join(minors)}."] if minors and not is_known else []


def _render_closed(node: Node, closed: list[ClosedInterpreter]) -> list[str]:
    return [f"{c.executable} is there, but {_render_barrier(node, c)}." for c in closed[:3]]


def _render_barrier(node: Node, interpreter: ClosedInterpreter) -> str:
    name = node.account.name
    if interpreter.closed is None:
        return f"{name} cannot run it: {interpreter.output.rstrip('.')}"
    verb = "run" if interpreter.closed == interpreter.executable else "enter"
    return f"{name} may not {verb} {interpreter.closed}"


def _choose_cure(request: PythonRequest, found: Interpreters, closed: list[ClosedInterpreter]) -> str:
    lines = []
    if closed:
        version = closed[0].version or request.text
        lines.append(f"On the node, put it where all may enter: PYENV_ROOT=/opt/pyenv pyenv install {version}")
        if barrier := closed[0].closed:
            bits = "o+rx" if barrier == closed[0].executable else "o+x"
            lines.append(f"or open the way: chmod {bits} {barrier}")
    if found.usable:
        newest = max((i.version for i in found.usable), key=_as_numbers)
        minor = ".".join(newest.split(".")[:2])
        lines.append(f"{'Or choose' if closed else 'Choose'} another: toppcloud config:set PYTHON_VERSION={minor}")
    return "\n".join(lines) or "Install one on the node: apt-get install python3"


def _may_fit(request: PythonRequest, interpreter: ClosedInterpreter) -> bool:
    version = interpreter.version
    return not version or request.admits(version) or request.text.startswith(f"{version}.")


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".") if number.isdigit())
