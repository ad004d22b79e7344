"""Why there is no such Python for an app, with those that there are, and what to type."""

from __future__ import annotations

from buildpacks.interpreters import ClosedInterpreter, Interpreters
from buildpacks.python_releases import RELEASES, SOURCE, Standing, judge
from buildpacks.python_version import LAST_BUILD, PythonRequest, render_change
from toppcloud.durations import now_utc
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.program import ProgramFailed


def refuse_missing(
    node: Node, request: PythonRequest, found: Interpreters, fetchable: tuple[str, ...], failure: ProgramFailed | None
) -> ToppcloudError:
    """The refusal for what neither the node has nor uv brought. `fetchable` is all that uv knows of."""
    is_known = any(request.admits(version) for version in fetchable)
    closed = [interpreter for interpreter in found.closed if _may_fit(request, interpreter)]
    what, why = _tell_apart(request, fetchable, is_known)
    return ToppcloudError(
        what,
        "\n".join([*why, _render_usable(found), *_render_closed(node, closed)]),
        _choose_cure(request, found, closed),
        reason="no such Python",
        output=failure.output if failure and is_known else (),
    )


def _tell_apart(request: PythonRequest, fetchable: tuple[str, ...], is_known: bool) -> tuple[str, list[str]]:
    """What is the matter: not released yet, no such release, no such patch release of it, or out of reach."""
    wish = f"Python {request.text} ({request.origin})"
    if is_known or not fetchable:
        return f"{wish} is not on this node, and it could not be fetched.", []
    if request.origin == LAST_BUILD:
        return f"The last build used {request.text}, and there is no such Python on this node any more.", []
    minor = request.minor or ""
    if judge(minor or "3.0", now_utc().date()) is Standing.UNRELEASED:
        return f"{wish} is not released yet.", [f"It is due in {RELEASES[minor].released:%B %Y}: {SOURCE}"]
    patches = [version for version in fetchable if version.startswith(f"{minor}.")]
    if minor and patches:
        newest = max(patches, key=_as_numbers)
        return f"There is no {wish} to be had.", [f"The newest {minor} that uv can fetch is {newest}."]
    minors = sorted({".".join(version.split(".")[:2]) for version in fetchable}, key=_as_numbers)
    return f"There is no {wish} to be had.", [f"uv can fetch the newest of {', '.join(minors)}."]


def _render_usable(found: Interpreters) -> str:
    versions = sorted({i.version for i in found.usable}, key=_as_numbers, reverse=True)
    return f"This node has {', '.join(versions)}." if versions else "This node has no Python that apps can use."


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
        near = [i for i in found.usable if i.minor == request.minor]
        minor = max(near or found.usable, key=lambda i: _as_numbers(i.version)).minor
        lines.append(f"{'Or choose' if closed else 'Choose'} another: {render_change(request.origin, minor)}")
    return "\n".join(lines) or "Install one on the node: apt-get install python3"


def _may_fit(request: PythonRequest, interpreter: ClosedInterpreter) -> bool:
    version = interpreter.version
    return not version or request.admits(version) or request.text.startswith(f"{version}.")


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".") if number.isdigit())
