"""Django's static files, gathered as the project itself says: its own manage.py, one process, config vars, no database.

It runs when django.contrib.staticfiles is on. Without STATIC_ROOT it runs only for a storage that needs none, or to say
what else is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpacks.source_folders import list_folders
from toppcloud.account import Account
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_plain_file
from toppcloud.program import ProgramFailed, run

_DEPTH = 3
_LARGEST_REPORT = 65536
_LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "env", "site-packages"})
# Runs manage.py as `manage.py collectstatic --noinput`, but asks the settings first, since both "not installed" and
# "no STATIC_ROOT" are usual and no fault. Tells what it found, or what kind of error it was, as JSON in argv[2].
_RUN = """
import json, os, runpy, sys, traceback
program, report = sys.argv[1:3]
def tell(**facts):
    with open(report, "w") as file:
        json.dump(facts, file)
def is_rootless(settings):
    if getattr(settings, "STATIC_URL", None) is None:
        return False
    try:
        from django.contrib.staticfiles import storage
        return isinstance(storage.staticfiles_storage, storage.StaticFilesStorage)
    except Exception:
        return False
def holds_code(root, settings):
    from django.apps import apps
    code = [program, getattr(sys.modules.get(settings.SETTINGS_MODULE), "__file__", None) or program]
    code += [app.path for app in apps.get_app_configs()]
    return any(os.path.realpath(path).startswith(os.path.join(root, "")) for path in code)
def collect(argv=None):
    from django.conf import settings
    if not any(str(app).startswith("django.contrib.staticfiles") for app in settings.INSTALLED_APPS):
        return tell(skipped="django.contrib.staticfiles is not in INSTALLED_APPS")
    root = getattr(settings, "STATIC_ROOT", None)
    if not root and is_rootless(settings):
        return tell(skipped="STATIC_ROOT is not set")
    execute([program, "collectstatic", "--noinput", "--verbosity", "0"])
    root = os.path.realpath(str(root)) if root else None
    tell(root=root, url=str(settings.STATIC_URL), holds_code=bool(root) and holds_code(root, settings))
try:
    import django.core.management as management
    execute = management.execute_from_command_line
    management.execute_from_command_line = collect
    sys.argv = [program, "collectstatic", "--noinput"]
    sys.path[0] = os.path.dirname(os.path.abspath(program))
    runpy.run_path(program, run_name="__main__")
except Exception as error:
    kind, cause = type(error), error
    facts = {"is_database": any(c.__name__ == "OperationalError" for c in kind.__mro__)}
    for _ in range(9):
        frames = traceback.extract_tb(cause.__traceback__)
        if isinstance(cause, KeyError) and os.path.basename(frames[-1].filename) in ("os.py", "<frozen os>"):
            facts["variable"] = str(cause.args[0])
        cause = cause.__cause__ or cause.__context__
        if cause is None or "variable" in facts:
            break
    if isinstance(error, ModuleNotFoundError):
        facts["module"] = str(error.name)
        facts["settings"] = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    if isinstance(error, PermissionError):
        facts["closed"] = str(error.filename)
    tell(**facts)
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != program:
        trace = trace.tb_next
    traceback.print_exception(kind, error, trace or error.__traceback__)
    sys.exit(1)
"""


@dataclass(frozen=True)
class Collection:
    """What came of it: where the files are and which address the pages use for them, or why there are none."""

    root: Path | None
    skipped: str | None = None
    url: str = ""
    """STATIC_URL, as the project's pages have it."""
    holds_code: bool = False
    """STATIC_ROOT has code of the project in it."""


def find_manage_py(source: Path) -> Path | None:
    """The first manage.py at the top or in folders at most three levels down, the nearest first."""
    level = [source]
    for _ in range(_DEPTH + 1):
        for folder in level:
            manage_py = folder / "manage.py"
            if manage_py.is_file() and not manage_py.is_symlink():
                return manage_py
        level = [inner for folder in level for inner in list_folders(folder, _LEFT_OUT)]
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
        if environment.get("DEBUG_COLLECTSTATIC"):
            console.detail(f"variables that it had: {', '.join(sorted(environment))}")
        raise _refusal(manage_py.relative_to(source), error, _read_report(report) or {}) from error
    said = _read_report(report)
    if said is None:
        return Collection(None, "manage.py did not run a command")
    root, skipped = said.get("root"), said.get("skipped")
    return Collection(
        Path(str(root)) if root else None,
        str(skipped) if skipped else None,
        str(said.get("url", "")),
        bool(said.get("holds_code")),
    )


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
        said = json.loads(read_plain_file(report, _LARGEST_REPORT) or b"")
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _list_files(root: Path) -> set[str]:
    return {os.path.relpath(Path(folder, name), root) for folder, _, names in os.walk(root) for name in names}


def _refusal(manage_py: Path, failed: ProgramFailed, said: Mapping[str, Any]) -> ToppcloudError:
    cause, cure = _explain(said, str(manage_py))
    without = "do without static files: toppcloud config:set DISABLE_COLLECTSTATIC=1"
    how = "It was ended by its time limit." if failed.status_code is None else "Its last lines are above."
    return ToppcloudError(
        "collectstatic failed.",
        f"It ran {manage_py} with this app's config vars. {how} {cause}",
        f"{cure}\nOr {without}",
        reason="collectstatic failed",
    )


def _explain(said: Mapping[str, Any], manage_py: str) -> tuple[str, str]:
    """The cause and the cure, as far as the kind of the error tells them."""
    if variable := said.get("variable"):
        return (
            f"The settings ask for the variable {variable}, which this app has not.",
            f"Set it: toppcloud config:set {variable}=…",
        )
    if module := str(said.get("module") or ""):
        settings = str(said.get("settings") or "")
        if settings and settings.partition(".")[0] == module.partition(".")[0]:
            return (
                f"DJANGO_SETTINGS_MODULE is {settings}, and there is no such module beside {manage_py}.",
                f"Correct it in {manage_py}, or set it: toppcloud config:set DJANGO_SETTINGS_MODULE=…",
            )
        return (
            f"The project imports {module}, which is neither in it nor installed.",
            "Add the package that has it to the project's requirements, and push again.",
        )
    if closed := str(said.get("closed") or ""):
        return (
            f"It may not write to {closed[:200]}, which is no folder of this project's.",
            'Collect into the project: STATIC_ROOT = BASE_DIR / "staticfiles"',
        )
    if said.get("is_database"):
        return (
            "The project asks its database while it is imported; a build has no need of one, and may have none.",
            "Ask the database in functions only, not at a module's top nor in AppConfig.ready().",
        )
    return (
        "Usual causes: a setting that needs a config var which is not set, STATIC_URL or STATIC_ROOT missing, or a file"
        " that a stylesheet names and that is not there.",
        f"See the same at home: python {manage_py} collectstatic --noinput   A variable: toppcloud config:set NAME=…",
    )
