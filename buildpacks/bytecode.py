"""Bytecode for all of a virtualenv and a source, so that a first request compiles nothing.

Hash-based and unchecked (PEP 552): a copy changes times, and nobody changes these files afterwards. The path inside a
bytecode file does not matter: Python puts the path that it imports from in its place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toppcloud.account import Account
from toppcloud.acting import act_as
from toppcloud.program import ProgramFailed, run

_SKIPPED = frozenset({"__pycache__", "node_modules", ".git", ".hg", ".venv"})
_COMPILE = """
import os, py_compile, sys
sys.setrecursionlimit(5000)
words = sys.stdin.buffer.read().split(b"\\0")[:-1]
jobs = [tuple(map(os.fsdecode, words[i:i + 3])) for i in range(0, len(words), 3)]
workers = max(1, min(os.cpu_count() or 1, len(jobs) // 40))
children = []
share = 0
for number in range(1, workers):
    pid = os.fork()
    if pid == 0:
        share, children = number, []
        break
    children.append(pid)
for source, target, shown in jobs[share::workers]:
    try:
        py_compile.compile(source, target, shown, doraise=True, quiet=2,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except Exception:
        pass
for pid in children:
    os.waitpid(pid, 0)
if share:
    os._exit(0)
"""


@dataclass(frozen=True)
class Compilation:
    """One file to compile: where its bytecode goes, and the name that it has there."""

    source: Path
    target: Path
    shown: str


def list_compilations(top: Path, cache_tag: str, skipped: Iterable[str] = ()) -> Iterator[Compilation]:
    """Every .py file below `top` but in folders named in `skipped`. Links are not followed, nor written through."""
    leave_out = _SKIPPED | frozenset(skipped)
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if name not in leave_out)
        here = Path(folder)
        if (here / "__pycache__").is_symlink():
            continue
        for name in sorted(names):
            if name.endswith(".py") and not (here / name).is_symlink():
                target = here / "__pycache__" / f"{name[:-3]}.{cache_tag}.pyc"
                yield Compilation(here / name, target, os.path.relpath(here / name, top))


def list_source_compilations(top: Path, files: Iterable[bytes], cache_tag: str) -> Iterator[Compilation]:
    """The same of those `files`, which are regular and known to lie below `top`."""
    is_open: dict[str, bool] = {}
    for path in files:
        if not path.endswith(b".py"):
            continue
        shown = os.fsdecode(path)
        folder, _, name = shown.rpartition("/")
        if folder not in is_open:
            is_kept = _SKIPPED.isdisjoint(folder.split("/"))
            is_open[folder] = is_kept and not Path(top, folder, "__pycache__").is_symlink()
        if is_open[folder]:
            target = Path(top, folder, "__pycache__", f"{name[:-3]}.{cache_tag}.pyc")
            yield Compilation(Path(top, shown), target, shown)


def choose_as(account: Account, choose: Callable[[], list[Compilation]]) -> list[Compilation]:
    """What `choose` returns, done by `account`: it looks where pushed code may have set traps for root."""

    def choose_parts() -> list[tuple[str, str, str]]:
        return [(str(item.source), str(item.target), item.shown) for item in choose()]

    return [Compilation(Path(source), Path(target), shown) for source, target, shown in act_as(account, choose_parts)]


def compile_files(
    python: Path,
    compilations: Iterable[Compilation],
    account: Account,
    *,
    timeout_s: float,
    is_cancelled: Callable[[], str | None] | None = None,
) -> int:
    """Compile with `python`, as `account`, in a process of its own. Returns how many files there were.

    A file that is not Python for this version is left without bytecode: importing it says why. So is everything
    when the compiler itself dies, since bytecode only saves time.
    """
    words = [
        os.fsencode(word)
        for compilation in compilations
        for word in (compilation.source, compilation.target, compilation.shown)
    ]
    if not words:
        return 0
    with contextlib.suppress(ProgramFailed):
        run(
            [python, "-I", "-S", "-W", "ignore", "-c", _COMPILE],
            stdin=b"".join(word + b"\0" for word in words),
            cwd=Path("/"),
            account=account,
            timeout_s=timeout_s,
            is_cancelled=is_cancelled,
        )
    return len(words) // 3


def reuse_bytecode(
    compilations: Iterable[Compilation], find_older: Callable[[Compilation], Path | None]
) -> list[Compilation]:
    """Link the bytecode of those that have an equal older one (`find_older` names its bytecode); returns the others."""
    rest = []
    made: set[Path] = set()
    for compilation in compilations:
        older = find_older(compilation)
        if older is None or not _link(older, compilation.target, made):
            rest.append(compilation)
    return rest


def find_same_file(top: Path, older_top: Path) -> Callable[[Compilation], Path | None]:
    """For `reuse_bytecode`: the older tree has the very same file (both are links into uv's cache)."""

    def find(compilation: Compilation) -> Path | None:
        older = older_top / compilation.source.relative_to(top)
        try:
            is_same = os.path.samestat(older.lstat(), compilation.source.lstat())
        except OSError:
            return None
        return older.parent / "__pycache__" / compilation.target.name if is_same else None

    return find


def _link(older: Path, target: Path, made: set[Path]) -> bool:
    try:
        if target.parent not in made:
            target.parent.mkdir(exist_ok=True)
            made.add(target.parent)
        try:
            os.link(older, target, follow_symlinks=False)
        except FileExistsError:
            target.unlink()
            os.link(older, target, follow_symlinks=False)
    except OSError:
        return False
    return True
