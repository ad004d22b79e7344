"""Filling one virtualenv with uv. Knows nothing of sharing, keys or releases."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpacks.dependencies import Dependencies
from buildpacks.distributions import read_distributions
from buildpacks.framework_needs import choose_missing, choose_unnamed
from buildpacks.interpreters import Interpreter
from buildpacks.uv import find_uv, hide_credentials
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import write_file
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, find_program, run

_SMALLEST_FREE_BYTES = 1_000_000
_NOT_SHOWN = (" + ", " ~ ", "Using ", "Audited ", "Creating ")


@dataclass(frozen=True)
class Installation:
    """What is to be installed, from where. `environment` is all that uv and package builds see."""

    node: Node
    source: Path
    interpreter: Interpreter
    dependencies: Dependencies
    environment: Mapping[str, str]
    servers: tuple[str, ...] = ()
    """Added when the app does not bring them."""
    pins: Mapping[str, str] | None = None
    """Exact versions of an earlier installation that is to be had again."""
    is_cancelled: Callable[[], str | None] | None = None


def fill_virtualenv(installation: Installation, venv: Path, console: Console) -> tuple[str, ...]:
    """Make a virtualenv at `venv`, an empty folder of the account, and install everything.

    Returns what was added to the app's own list. Raises ToppcloudError with uv's last lines.
    """
    executable = str(installation.interpreter.executable)
    _run_uv(installation, ["venv", "--quiet", "--no-project", "--python", executable, str(venv)], console)
    unnamed = choose_unnamed(installation.servers, installation.dependencies.names)
    for words, extra in plan_commands(installation.dependencies, executable, venv, unnamed):
        _run_uv(installation, [*words, *_constrain(installation, words)], console, extra)
    missing = choose_missing(installation.servers, read_distributions(venv))
    if missing:
        words = ["pip", "install", "--python", f"{venv}/bin/python", *missing]
        _run_uv(installation, [*words, *_constrain(installation, words)], console)
    return (*unnamed, *missing)


def plan_commands(
    dependencies: Dependencies, executable: str, venv: Path, unnamed: tuple[str, ...] = ()
) -> list[tuple[list[str], dict[str, str]]]:
    """uv's words, each with what its environment needs besides, in the order to run them.

    `unnamed` are packages to resolve together with the app's own.
    """
    into = ["--python", f"{venv}/bin/python"]
    if dependencies.manager == "uv":
        words = ["sync", "--frozen", "--no-dev", "--python", executable]
        words += [] if dependencies.installs_itself else ["--no-install-project"]
        return [(words, {"UV_PROJECT_ENVIRONMENT": str(venv)})]
    words = ["pip", "install", *into, "-r", dependencies.file, *unnamed]
    commands: list[tuple[list[str], dict[str, str]]] = [(words, {})]
    if dependencies.manager == "pyproject" and dependencies.installs_itself:
        commands.append((["pip", "install", *into, "--no-deps", "--editable", "."], {}))
    return commands


def _constrain(installation: Installation, words: list[str]) -> list[str]:
    """`--constraint FILE` when earlier versions are to be had again; a lock of uv's is exact by itself."""
    if installation.pins is None or words[0] != "pip":
        return []
    file = Path(installation.environment["TMPDIR"]) / "pins.txt"
    write_file(file, "".join(f"{name}=={version}\n" for name, version in installation.pins.items()))
    return ["--constraint", str(file)]


def _run_uv(
    installation: Installation, words: list[str], console: Console, extra: Mapping[str, str] | None = None
) -> None:
    node = installation.node

    def show(line: str) -> None:
        if line.strip() and not line.startswith(_NOT_SHOWN):
            console.detail(hide_credentials(line))

    try:
        run(
            [find_uv(node.layout, node.account), *words],
            env={**installation.environment, **(extra or {})},
            cwd=installation.source,
            account=node.account,
            timeout_s=node.settings.build_timeout_s,
            on_line=show,
            is_cancelled=installation.is_cancelled,
        )
    except ProgramFailed as error:
        _raise_when_full(node.layout.root)
        raise _refusal(installation, error) from error


def _refusal(installation: Installation, error: ProgramFailed) -> ToppcloudError:
    file = installation.dependencies.file
    why, cure = f"uv says why above. Python is {installation.interpreter.version}.", ""
    if "mod-wsgi" in (installation.dependencies.names or ()) and not find_program("apxs"):
        why += "\nmod_wsgi is compiled with apxs, which this node does not have."
        cure = "On the node: apt install apache2-dev. Its libapache2-mod-wsgi-py3 needs no such line. "
    return ToppcloudError(
        f"The packages of {file} could not be installed.",
        why,
        f"{cure}Correct {file}, commit, push again.",
        reason=f"installing {file} failed",
    )


def _raise_when_full(folder: Path) -> None:
    """A program that failed on a full disk failed because of it."""
    info = os.statvfs(folder)
    if info.f_bavail * info.f_frsize < _SMALLEST_FREE_BYTES or (info.f_files > 0 and info.f_favail == 0):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
