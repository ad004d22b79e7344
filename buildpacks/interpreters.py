"""Which Pythons this node has for apps: uv's own in ROOT/pythons, those on PATH, in pyenv's and uv's usual folders.

One that the account of pushed code cannot execute counts as absent. Each is asked once what it is; the answer is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpacks.python_version import PythonRequest
from toppcloud.account import Account
from toppcloud.build_variables import read_build_variables
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_json, write_json
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.program import run

_NAME = re.compile(r"python3(\.\d+)?\Z")
_VERSION_IN_PATH = re.compile(r"(?:versions/|cpython-|python)(\d+\.\d+(?:\.\d+)?)")
_OLDEST = (3, 8)
_MADE_BY_UV = ("cpython-", ".temp")
_SHARED_PYENV = Path("/opt/pyenv")  # where those who may not enter a home folder are told to put one
_PROBE_TIMEOUT_S = 20
_PROBE = """
import json, platform, sys, sysconfig
print(json.dumps({"version": platform.python_version(), "build": sys.version,
  "soabi": sysconfig.get_config_var("SOABI"),
  "implementation": sys.implementation.name, "cache_tag": sys.implementation.cache_tag,
  "is_base": sys.prefix == sys.base_prefix, "is_final": sys.version_info.releaselevel == "final"}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython that apps can use."""

    executable: Path
    version: str
    """Whole: `3.12.7`."""
    build: str
    """A hash that tells this very build, at this very place, from all others."""
    cache_tag: str
    """`cpython-312`, as it stands in the names of bytecode files."""
    is_managed: bool
    """Whether uv fetched it into ROOT/pythons."""

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class ClosedInterpreter:
    """One that is there, but that the account of pushed code cannot execute."""

    executable: Path
    closed: Path | None
    """What that account may not enter or read on the way to it; None when it may, and it fails all the same."""
    version: str
    """As its path says it: `3.12.1`, `3.12` or empty."""
    output: str = ""
    """What it said last when it failed."""


@dataclass(frozen=True)
class Interpreters:
    """What the node has."""

    usable: tuple[Interpreter, ...]
    closed: tuple[ClosedInterpreter, ...]


def find_interpreters(node: Node) -> Interpreters:
    """All that are here now. Spawns only those that were never asked."""
    variables = read_build_variables(node.layout, os.environ)
    known: dict[str, Any] = read_json(node.layout.interpreter_probes, {})
    probes: dict[str, Any] = {}
    usable, closed = [], []
    for path in dict.fromkeys(_list_candidates(node.layout, variables)):
        barrier = None if node.account.is_self else node.account.find_closed(path)
        if barrier:
            closed.append(ClosedInterpreter(path, barrier, _guess_version(path)))
            continue
        key = _identify(path)
        probe = known.get(key) or _probe(path, node.account)
        if isinstance(probe, str):
            closed.append(ClosedInterpreter(path, None, _guess_version(path), probe))
            continue
        probes[key] = probe
        if _is_usable(probe):
            usable.append(_make_interpreter(path, probe, node.layout))
    if probes != known:
        write_json(node.layout.interpreter_probes, probes)
    return Interpreters(tuple(usable), tuple(closed))


def choose_interpreter(request: PythonRequest, usable: tuple[Interpreter, ...]) -> Interpreter | None:
    """The best that was asked for: the newest minor version; of one minor version uv's own, then the newest."""
    fitting = [interpreter for interpreter in usable if request.admits(interpreter.version)]
    return max(fitting, key=_rank, default=None)


def _rank(interpreter: Interpreter) -> tuple[tuple[int, ...], bool, int]:
    major, minor, patch = (int(number) for number in interpreter.version.split("."))
    return (major, minor), interpreter.is_managed, patch


def list_half_made(layout: Layout) -> list[Path]:
    """What uv has put into ROOT/pythons since the fetch under way, or one that was killed, began."""
    before = read_json(layout.interpreter_fetch, None)
    if not isinstance(before, list):
        return []
    paths = (path for path in layout.pythons.iterdir() if path.name not in before)
    return [path for path in paths if path.name.startswith(_MADE_BY_UV)]


def _list_candidates(layout: Layout, variables: Mapping[str, str]) -> Iterator[Path]:
    """Real paths of programs that are named like a Python and lie where one is looked for."""
    hidden = list_half_made(layout)
    home = Path(variables.get("HOME") or "~").expanduser()
    pyenv = Path(variables.get("PYENV_ROOT") or home / ".pyenv")
    folders = [folder for folder in layout.pythons.glob("*/bin") if folder.parent not in hidden]
    folders += [Path(folder) for folder in variables.get("PATH", "").split(":") if folder.startswith("/")]
    folders += [Path("/usr/local/bin"), Path("/usr/bin")]
    folders += [
        *_glob(pyenv, "versions/*/bin"),
        *_glob(_SHARED_PYENV, "versions/*/bin"),
        *_glob(home, ".local/share/uv/python/*/bin"),
    ]
    for folder in folders:
        if folder.name == "shims" or os.path.lexists(folder.parent / "pyvenv.cfg"):
            continue
        for name in sorted(filter(_NAME.match, _names(folder))):
            path = os.path.realpath(folder / name)
            if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 - False where we may not look
                yield Path(path)


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:
        return []


def _identify(path: Path) -> str:
    info = path.stat()
    return f"{path} {info.st_ino} {info.st_size} {info.st_mtime_ns}"


def _probe(path: Path, account: Account) -> dict[str, Any] | str:
    """What the interpreter says of itself when `account` runs it; when it cannot, a line that says why."""
    try:
        finished = run([path, "-I", "-S", "-c", _PROBE], account=account, cwd=Path("/"), timeout_s=_PROBE_TIMEOUT_S)
        value = json.loads(finished.stdout)
    except ToppcloudError as error:
        return next((line for line in reversed(error.output) if line.strip()), error.why or error.what)
    except ValueError:
        return "it does not answer as a Python does"
    return value if isinstance(value, dict) else "it does not answer as a Python does"


def _is_usable(probe: dict[str, Any]) -> bool:
    version = tuple(int(number) for number in re.findall(r"\d+", probe["version"])[:2])
    return bool(probe["implementation"] == "cpython" and probe["is_base"] and probe["is_final"] and version >= _OLDEST)


def _make_interpreter(path: Path, probe: dict[str, Any], layout: Layout) -> Interpreter:
    identity = json.dumps([str(path), probe["build"], probe["soabi"]])
    build = hashlib.sha256(identity.encode()).hexdigest()[:16]
    is_managed = path.is_relative_to(os.path.realpath(layout.pythons))
    return Interpreter(path, probe["version"], build, probe["cache_tag"], is_managed)


def _guess_version(path: Path) -> str:
    found = _VERSION_IN_PATH.findall(str(path))
    return max(found, key=len) if found else ""
