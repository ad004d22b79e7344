"""Filling one virtualenv with uv. Knows nothing of sharing, keys or releases."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildpacks.dependencies import Dependencies
from buildpacks.distributions import read_distributions
from buildpacks.framework_needs import choose_missing, choose_unnamed
from buildpacks.install_failure import explain_missing, find_missing, find_older_python, find_unreachable
from buildpacks.interpreters import Interpreter
from buildpacks.locked import LockedBatch, render_index
from buildpacks.poetry_lock import PoetryLock
from buildpacks.python_version import CONFIG_VAR, PYTHON_VERSION_FILE, RUNTIME_TXT, render_change
from buildpacks.requirements_txt import find_invalid_line, plan_editable_repositories
from buildpacks.uv import find_uv, hide_credentials
from toppcloud.acting import act_as
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import write_file
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, find_program, run

_SMALLEST_FREE_BYTES = 1_000_000
_FAILED_ITSELF = "No file/folder found for package"
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
    is_fresh: bool = False
    """Whether nothing is taken from uv's cache without asking the index again."""


@dataclass(frozen=True)
class Command:
    """uv's words, what its environment needs besides, and the requirements that it is given as a file."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """In the build's folder for temporary files: `locked/1.txt`, which `words` call `{TMPDIR}/locked/1.txt`."""


def fill_virtualenv(installation: Installation, venv: Path, console: Console) -> tuple[str, ...]:
    """Make a virtualenv at `venv`, an empty folder of the account, and install everything.

    Returns what was added to the app's own list. Raises ToppcloudError with uv's last lines.
    """
    executable = str(installation.interpreter.executable)
    unnamed = choose_unnamed(installation.servers, installation.dependencies.names)
    commands = plan_commands(
        installation.dependencies, installation.interpreter, venv, installation.environment, unnamed
    )
    _run_uv(installation, Command(("venv", "--quiet", "--no-project", "--python", executable, str(venv))), console)
    for command in commands:
        _run_uv(installation, command, console)
    missing = choose_missing(installation.servers, read_distributions(venv))
    if missing:
        _run_uv(installation, Command(("pip", "install", "--python", f"{venv}/bin/python", *missing)), console)
    return (*unnamed, *missing)


def plan_commands(
    dependencies: Dependencies,
    interpreter: Interpreter,
    venv: Path,
    environment: Mapping[str, str],
    unnamed: tuple[str, ...] = (),
) -> list[Command]:
    """What uv is to do, in that order. `unnamed` are packages to resolve together with the app's own."""
    install = ("pip", "install", "--python", f"{venv}/bin/python")
    itself = Command((*install, "--no-deps", *([] if _is_built_by_old_poetry(dependencies) else ["--editable"]), "."))
    if dependencies.manager == "uv":
        words = ["sync", "--frozen", "--no-default-groups", "--python", str(interpreter.executable)]
        words += [] if dependencies.installs_itself else ["--no-install-project"]
        return [Command(tuple(words), {"UV_PROJECT_ENVIRONMENT": str(venv)})]
    if dependencies.lock:
        batches = dependencies.list_batches(interpreter.version)
        commands = [_plan_batch(dependencies, part, n, install, environment) for n, part in enumerate(batches, 1)]
        return commands + ([itself] if _installs_project_apart(dependencies) else [])
    changed = plan_editable_repositories(dependencies.requirements) if dependencies.requirements else {}
    files = {f"requirements/{path}": text for path, text in changed.items()}
    file = f"{{TMPDIR}}/requirements/{dependencies.file}" if files else dependencies.file
    commands = [Command((*install, "-r", file, *unnamed), files=files)]
    return commands + ([itself] if dependencies.manager == "pyproject" and dependencies.installs_itself else [])


def _installs_project_apart(dependencies: Dependencies) -> bool:
    """Poetry installs the project itself, of which its lock has no line."""
    return dependencies.manager == "poetry" and any(requirement.is_project for requirement in dependencies.local)


def _is_built_by_old_poetry(dependencies: Dependencies) -> bool:
    """By a backend that cannot install in place, as `poetry init` named it before 1.1. Poetry asks it nothing."""
    system = dependencies.lock.pyproject.get("build-system") if isinstance(dependencies.lock, PoetryLock) else None
    return isinstance(system, dict) and system.get("build-backend") == "poetry.masonry.api"


def _plan_batch(
    dependencies: Dependencies,
    part: LockedBatch,
    number: int,
    install: tuple[str, ...],
    environment: Mapping[str, str],
) -> Command:
    """The lock is complete, so nothing is resolved; what has a hash is the same in whatever index it is found."""
    variables = render_index(part.index, environment, dependencies.file) if part.index else {}
    if part.is_hashed and "UV_INDEX_STRATEGY" not in environment:
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    file = f"locked/{number}.txt"
    return Command((*install, "--no-deps", "-r", f"{{TMPDIR}}/{file}"), variables, {file: part.text})


def _constrain(installation: Installation, words: tuple[str, ...]) -> list[str]:
    """`--constraint FILE` when earlier versions are to be had again; a lock is exact by itself."""
    if installation.pins is None or words[:2] != ("pip", "install"):
        return []
    file = Path(installation.environment["TMPDIR"]) / "pins.txt"
    write_file(file, "".join(f"{name}=={version}\n" for name, version in installation.pins.items()))
    return ["--constraint", str(file)]


def _run_uv(installation: Installation, command: Command, console: Console) -> None:
    node, temporary = installation.node, installation.environment["TMPDIR"]
    output: list[str] = []

    def show(line: str) -> None:
        output.append(line)
        if line.strip() and not line.startswith(_NOT_SHOWN):
            console.detail(hide_credentials(line))

    if command.files:
        act_as(node.account, functools.partial(_write_files, Path(temporary), dict(command.files)))
    words = [word.replace("{TMPDIR}", temporary) for word in command.words]
    words += _constrain(installation, command.words)
    words += ["--refresh"] if installation.is_fresh and command.words[0] != "venv" else []
    try:
        run(
            [find_uv(node.layout, node.account), *words],
            env={**installation.environment, **command.environment},
            cwd=installation.source,
            account=node.account,
            timeout_s=node.settings.build_timeout_s,
            on_line=show,
            is_cancelled=installation.is_cancelled,
        )
    except ProgramFailed as error:
        _raise_when_full(node.layout.root)
        raise _refusal(installation, output) from error


def _write_files(folder: Path, files: Mapping[str, str]) -> None:
    """As the account, since what it left in its folder may lead elsewhere."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text, is_durable=False)


def _refusal(installation: Installation, output: list[str]) -> ToppcloudError:
    dependencies = installation.dependencies
    file = dependencies.file
    why, cure = f"uv says why above. Python is {installation.interpreter.version}.", ""
    invalid = find_invalid_line(dependencies.requirements) if dependencies.requirements else None
    address = find_unreachable(output, dependencies.lock_text)
    missing = find_missing(output)
    older = find_older_python(output, installation.interpreter.version)
    if invalid:
        why = f"This is no requirement: {hide_credentials(invalid)}"
    elif address:
        why = f"The repository {address} could not be fetched, or it has no such commit.\n{why}"
        cure = f"See whether it is there: git ls-remote {address}\n"
    elif "mod-wsgi" in (dependencies.names or ()) and not find_program("apxs"):
        why += "\nmod_wsgi is compiled with apxs, which this node does not have."
        cure = "On the node: apt install apache2-dev. Its libapache2-mod-wsgi-py3 needs no such line. "
    elif missing:
        said, cure = explain_missing(missing)
        why, cure = f"{said}\n{why}", f"{cure}\n"
    elif older:
        why = f"{older[0]}\n{why}"
        cure = f"Try another Python: {render_change(_find_origin(installation), older[1])}\n"
    elif _installs_project_apart(dependencies) and any(_FAILED_ITSELF in line for line in output):
        cure = "A project that is no package says so: [tool.poetry] package-mode = false\n"
    return ToppcloudError(
        f"The packages of {file} could not be installed.",
        why,
        f"{cure}Correct {file}, commit, push again.",
        reason=f"installing {file} failed",
    )


def _find_origin(installation: Installation) -> str:
    """Where another Python is asked for, so that it counts."""
    if installation.environment.get(CONFIG_VAR):
        return CONFIG_VAR
    return RUNTIME_TXT if (installation.source / RUNTIME_TXT).is_file() else PYTHON_VERSION_FILE


def _raise_when_full(folder: Path) -> None:
    """A program that failed on a full disk failed because of it."""
    info = os.statvfs(folder)
    if info.f_bavail * info.f_frsize < _SMALLEST_FREE_BYTES or (info.f_files > 0 and info.f_favail == 0):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
