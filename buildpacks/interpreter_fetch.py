"""Pythons that uv fetches into ROOT/pythons. One that is half made, since its fetch was killed, is never used.

While uv works there, ROOT/pythons/.fetching lists what was there before: what came since is not real yet. Who
fetches next, or fails, removes that.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from buildpacks.interpreters import list_half_made
from buildpacks.python_version import PythonRequest
from buildpacks.uv import find_uv, operator_environment
from toppcloud.account import this_account
from toppcloud.console import Console
from toppcloud.errors import Cancelled, ToppcloudError
from toppcloud.files import remove_tree, write_json
from toppcloud.layout import Layout
from toppcloud.lock import LockBusy, hold_lock
from toppcloud.node import Node
from toppcloud.program import find_program, run

_SAYS_EVERY_S = 5.0
_UNPACKED_BY_UV = ".temp"
_LOCK_OF_UV = ".lock"
IsCancelled = Callable[[], str | None]


def fetch_python(node: Node, request: PythonRequest, console: Console, is_cancelled: IsCancelled | None = None) -> None:
    """Let uv install it below ROOT/pythons, as the node's own user. What a failure leaves behind is removed."""
    layout = node.layout
    layout.pythons.mkdir(parents=True, exist_ok=True)
    layout.cache.mkdir(parents=True, exist_ok=True)
    environment = {
        **operator_environment(node),
        "UV_PYTHON_INSTALL_DIR": str(layout.pythons),
        "UV_PYTHON_INSTALL_BIN": "0",
        "UV_PYTHON_PREFERENCE": "only-managed",
    }
    argv = [*_ends_with_us(), str(find_uv(layout, this_account())), "python", "install", "--no-config"]
    argv += [request.text] if request.text else []
    limit_s = node.settings.build_timeout_s
    with contextlib.ExitStack() as held:
        _wait_for_turn(held, layout.interpreter_lock, limit_s, console, is_cancelled)
        with contextlib.ExitStack() as uv_held:
            _wait_for_turn(uv_held, layout.pythons / _LOCK_OF_UV, limit_s, console, is_cancelled)
            remove_half_made(layout)
        write_json(layout.interpreter_fetch, sorted(path.name for path in layout.pythons.iterdir()))
        try:
            run(
                argv,
                env=environment,
                cwd=layout.pythons,
                timeout_s=limit_s,
                is_cancelled=_say_that_it_lives(console, layout.pythons, is_cancelled),
            )
        except BaseException:
            remove_half_made(layout)
            raise
        layout.interpreter_fetch.unlink()


def remove_half_made(layout: Layout) -> None:
    """What a fetch that did not end well has left. No uv may be at work there."""
    for path in list_half_made(layout):
        remove_tree(path)
    layout.interpreter_fetch.unlink(missing_ok=True)


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


def _wait_for_turn(
    held: contextlib.ExitStack, path: Path, limit_s: float, console: Console, is_cancelled: IsCancelled | None
) -> None:
    """Hold the lock at `path` for as long as `held` lasts. Who waits for another fetch is told so, and may leave."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            held.enter_context(hold_lock(path, by="build", doing="fetching a Python", timeout_s=_SAYS_EVERY_S))
            return
        except LockBusy as busy:
            if time.monotonic() >= deadline:
                raise ToppcloudError(
                    "Another build has been fetching a Python all the time.", "", "Push again.", reason="node is busy"
                ) from busy
        console.detail("another build is fetching a Python; waiting for it")
        if is_cancelled and (why := is_cancelled()):
            raise Cancelled(why, reason="cancelled")


def _ends_with_us() -> list[str]:
    """What uv is started by, so that it does not go on when this process is killed."""
    program = find_program("setpriv")
    return [str(program), "--pdeathsig", "KILL", "--"] if program else []


def _say_that_it_lives(console: Console, pythons: Path, is_cancelled: IsCancelled | None) -> IsCancelled:
    """`is_cancelled`, which is asked all the time, and every 5 s a line on how far it is."""
    began = said = time.monotonic()

    def ask() -> str | None:
        nonlocal said
        now = time.monotonic()
        if now - said >= _SAYS_EVERY_S:
            said = now
            console.detail(f"uv is at it for {now - began:.0f} s, {_measure(pythons / _UNPACKED_BY_UV):.0f} MB so far")
        return is_cancelled() if is_cancelled else None

    return ask


def _measure(folder: Path) -> float:
    """Megabytes; what goes away meanwhile counts as nothing."""
    size_bytes = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size_bytes += Path(parent, name).lstat().st_size
    return size_bytes / 1_000_000
