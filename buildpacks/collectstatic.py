"""Django's static files, gathered as the project itself says: its own manage.py, one process, config vars, no database.

It runs when django.contrib.staticfiles is on and STATIC_ROOT is set; DISABLE_COLLECTSTATIC turns it off.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toppcloud.account import Account
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.program import ProgramFailed, run

_DEPTH = 3
_LARGEST_REPORT = 65536
_LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "env", "site-packages"})
# Runs manage.py as `manage.py collectstatic --noinput`, but asks the settings first, since both "not installed" and
# "no STATIC_ROOT" are usual and no fault. Tells what it found as JSON in the file argv[2].
_RUN = """
import json, os, runpy, sys
program, report = sys.argv[1:3]
import django.core.management as management
execute = management.execute_from_command_line
said = {}
def tell(**facts):
    said.update(facts)
    with open(report, "w") as file:
        json.dump(said, file)
def collect(argv=None):
    from django.conf import settings
    if not any(str(app).startswith("django.contrib.staticfiles") for app in settings.INSTALLED_APPS):
        return tell(skipped="django.contrib.staticfiles is not in INSTALLED_APPS")
    root = getattr(settings, "STATIC_ROOT", None)
    if not root:
        return tell(skipped="STATIC_ROOT is not set")
    execute([program, "collectstatic", "--noinput", "--verbosity", "0"])
    tell(root=os.path.abspath(str(root)))
management.execute_from_command_line = collect
sys.argv = [program, "collectstatic", "--noinput"]
sys.path[0] = os.path.dirname(os.path.abspath(program))
runpy.run_path(program, run_name="__main__")
"""


@dataclass(frozen=True)
class Collection:
    """What came of it: where the files are, or why there are none."""

    root: Path | None
    skipped: str | None


def find_manage_py(source: Path) -> Path | None:
    """The first manage.py at the top or in folders at most three levels down, the nearest first."""
    level = [source]
    for _ in range(_DEPTH + 1):
        for folder in level:
            if (folder / "manage.py").is_file():
                return folder / "manage.py"
        level = [inner for folder in level for inner in _list_folders(folder)]
    return None


def collect_static(
    source: Path,
    manage_py: Path,
    python: Path,
    environment: Mapping[str, str],
    account: Account,
    console: Console,
    *,
    timeout_s: float,
    is_cancelled: Callable[[], str | None] | None = None,
) -> Collection:
    """Run it with `environment` (TMPDIR must be a folder of `account`). Raises ToppcloudError with its last lines."""
    report = Path(environment["TMPDIR"]) / "collectstatic.json"
    try:
        run(
            [python, "-B", "-c", _RUN, manage_py.relative_to(source), report],
            env=environment,
            cwd=source,
            account=account,
            timeout_s=timeout_s,
            on_line=console.detail,
            is_cancelled=is_cancelled,
        )
    except ProgramFailed as error:
        raise _refusal(manage_py.relative_to(source)) from error
    said = _read_report(report)
    if said is None:
        return Collection(None, "manage.py did not run a command")
    return Collection(Path(str(said["root"])) if "root" in said else None, said.get("skipped"))


def count_files(root: Path, older_root: Path | None) -> tuple[int, int | None]:
    """How many files there are, and how many of them the older folder does not have (None without one)."""
    names = _list_files(root)
    return len(names), None if older_root is None else len(names - _list_files(older_root))


def render_counts(total: int, new: int | None) -> str:
    """`collectstatic: 131 files, 4 new`"""
    return f"collectstatic: {total} file{'' if total == 1 else 's'}{'' if new is None else f', {new} new'}"


def _read_report(report: Path) -> dict[str, Any] | None:
    """What the project's own code has left there may be anything: a pipe, a link, a file without end."""
    try:
        fd = os.open(report, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        text = file.read(_LARGEST_REPORT) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _list_files(root: Path) -> set[str]:
    return {os.path.relpath(Path(folder, name), root) for folder, _, names in os.walk(root) for name in names}


def _list_folders(folder: Path) -> list[Path]:
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.is_symlink())
    return [folder / name for name in names if name not in _LEFT_OUT and not name.startswith(".")]


def _refusal(manage_py: Path) -> ToppcloudError:
    return ToppcloudError(
        "collectstatic failed; its last lines are above.",
        f"It ran {manage_py} with this app's config vars. Usual causes: a setting that needs a config var which is not"
        " set, or a file that a stylesheet names and that is not there.",
        "Set it: toppcloud config:set NAME=…   or do without: toppcloud config:set DISABLE_COLLECTSTATIC=1",
        reason="collectstatic failed",
    )
