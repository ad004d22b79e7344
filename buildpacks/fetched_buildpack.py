"""Classic buildpacks as the node has them: fetched at each build, newest of the branch; a copy for each build to use.

ROOT/cache/buildpacks/3f…/  lock  version.json  tree/
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpacks.buildpack import Workshop
from buildpacks.buildpack_address import MISSING, UNREACHABLE, BuildpackAddress
from buildpacks.uv import hide_credentials
from toppcloud.acting import act_as
from toppcloud.build_variables import is_given_to_builds, read_build_variables
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import read_json, remove_tree, write_json
from toppcloud.lock import LockBusy, hold_lock
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, run

COMPILE = "bin/compile"
FETCH_TIMEOUT_S = 180.0
_ANSWER_TIMEOUT_S = 20.0
_LARGEST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class BuildpackCopy:
    """A buildpack that this build may write into: `export` is written beside its bin/."""

    folder: Path
    version: str
    """A commit, an archive's hash, or empty for a folder of the node."""


def obtain_buildpack(workshop: Workshop, address: BuildpackAddress, console: Console) -> BuildpackCopy:
    """A copy in the build's temporary folder, the account's own. Raises ToppcloudError or Cancelled."""
    target = workshop.slug.tmp / f"buildpack-{address.digest}"
    path = address.path
    if path is not None and not is_repository(path, address):
        copy_buildpack(workshop.node, path, target, address)
        return BuildpackCopy(target, "")
    if path is not None:
        return BuildpackCopy(target, fetch_local(workshop, address, path, target))
    entry = workshop.node.layout.fetched_buildpack(address.digest)
    entry.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        doing = f"fetching {address.shown}"
        with hold_lock(entry / "lock", by="node", doing=doing, timeout_s=FETCH_TIMEOUT_S):
            version = update_entry(workshop, address, entry, console)
            copy_buildpack(workshop.node, entry / "tree", target, address)
    except LockBusy as busy:
        raise ToppcloudError(
            f"{address.shown} is being fetched by another build.", "It takes long.", "Push again later."
        ) from busy
    return BuildpackCopy(target, version)


def is_repository(path: Path, address: BuildpackAddress) -> bool:
    """Whether it is fetched, so that what counts is what was committed: a bare one, an archive, or one with a ref."""
    is_bare = (path / "objects").is_dir() and (path / "HEAD").is_file()
    is_checkout = (path / ".git").exists() and not (path / COMPILE).exists()
    return address.is_archive or bool(address.ref) or is_bare or is_checkout


def fetch_local(workshop: Workshop, address: BuildpackAddress, path: Path, target: Path) -> str:
    """From a repository or an archive of the node, into `target`; returns its version. Nothing is kept of it.

    The account of pushed code does it: links in a repository may lead to what is for us only.
    """
    refuse_closed(workshop.node, path, address)
    tree = target.with_name(f"{target.name}.tree")
    answer = ask_fetcher(workshop, address, "", tree)
    if "version" not in answer:
        raise _refusal(address, answer)
    copy_buildpack(workshop.node, tree, target, address)
    version: str = answer["version"]
    return version


def refuse_closed(node: Node, path: Path, address: BuildpackAddress) -> None:
    """We may read more than the account of pushed code, which is to see no more than before."""
    for part in (path, path / "objects"):
        if part.exists() and (closed := node.account.find_closed(part)) is not None:
            raise ToppcloudError(
                f"The buildpack {address.shown} cannot be read.",
                f"The account {node.account.name}, which runs it, may not read {closed}.",
                f"On the node: chmod o+rx {closed}",
                reason="unreadable buildpack",
            )


def update_entry(workshop: Workshop, address: BuildpackAddress, entry: Path, console: Console) -> str:
    """Bring `entry/tree` up to date; returns its version. What is there is used when the host does not answer."""
    record, tree = entry / "version.json", entry / "tree"
    known: str = read_json(record, {}).get("version", "") if tree.is_dir() else ""
    fresh = entry / "new"
    for left_over in (fresh, fresh.with_name("new.part"), fresh.with_name("new.git")):
        remove_tree(left_over)
    answer = ask_fetcher(workshop, address, known, fresh)
    if "version" not in answer:
        if known and answer["failed"] == UNREACHABLE:
            console.warning(f"{address.shown} cannot be reached: {answer['why']} Its copy of before is used.")
            return known
        raise _refusal(address, answer)
    version: str = answer["version"]
    if version != known:
        remove_tree(record)
        remove_tree(tree)
        fresh.rename(tree)
        write_json(record, {"version": version})
    return version


def ask_fetcher(workshop: Workshop, address: BuildpackAddress, known: str, target: Path) -> dict[str, Any]:
    """The answer of buildpacks/fetch_buildpack.py, also when it was ended."""
    try:
        return fetch_apart(workshop, address, known, target)
    except ProgramFailed as failure:
        if failure.status_code is not None:
            raise RuntimeError(hide_credentials("\n".join(failure.output))) from None
        return {"failed": UNREACHABLE, "why": f"It did not come within {FETCH_TIMEOUT_S:.0f} s."}


def fetch_apart(workshop: Workshop, address: BuildpackAddress, known: str, target: Path) -> dict[str, Any]:
    """Have buildpacks/fetch_buildpack.py do it, with the operator's proxies and certificates. Raises ProgramFailed."""
    node = workshop.node
    operator = read_build_variables(node.layout, os.environ)
    given = {key: value for key, value in operator.items() if is_given_to_builds(key)}
    order = {
        "url": address.url if address.path is None else f"file://{address.path}",
        "ref": address.ref,
        "is_archive": address.is_archive,
        "known": known,
        "target": str(target),
        "timeout_s": _ANSWER_TIMEOUT_S,
        "largest_bytes": _LARGEST_BYTES,
        "memory_bytes": node.settings.session_memory_mb << 20,
        "become": None if address.path is None or node.account.is_self else [node.account.uid, node.account.gid],
    }
    finished = run(
        [sys.executable, "-I", "-m", "buildpacks.fetch_buildpack"],
        env={**given, "HOME": str(node.layout.cache)},
        cwd=Path("/"),
        stdin=json.dumps(order).encode(),
        timeout_s=FETCH_TIMEOUT_S,
        is_cancelled=workshop.is_cancelled,
    )
    answer: dict[str, Any] = json.loads(finished.lines[-1])
    return answer


def copy_buildpack(node: Node, source: Path, target: Path, address: BuildpackAddress) -> None:
    """As the account of pushed code: what it may not read is not copied for it. Its programs can be run afterwards."""
    try:
        act_as(node.account, lambda: _copy(source, target))
    except FileNotFoundError as error:
        raise _refusal(address, {"failed": MISSING, "why": "The node has no such folder."}) from error
    except OSError as error:
        raise ToppcloudError(
            f"The buildpack {address.shown} cannot be read.",
            f"The account {node.account.name}, which runs it, must be able to: {error.strerror or 'some files'}.",
            f"On the node: chmod -R o+rX {source}",
            reason="unreadable buildpack",
        ) from error
    if not (target / COMPILE).is_file():
        raise ToppcloudError(
            f"{address.shown} is no buildpack.",
            f"It has no {COMPILE}." if (target / "bin").is_dir() else "It has no folder bin with compile in it.",
            "See: https://devcenter.heroku.com/articles/buildpack-api",
            reason="not a buildpack",
        )


def _copy(source: Path, target: Path) -> None:
    source.stat()
    if not (source / COMPILE).is_file():
        (target / "bin" if (source / "bin").is_dir() else target).mkdir(parents=True)
        return
    room = _LARGEST_BYTES

    def copy_file(file: str, to: str) -> None:
        nonlocal room
        room -= Path(file).stat().st_size
        if room < 0:
            raise OSError(27, "it is larger than 512 MB")
        shutil.copy(file, to)

    ignored = shutil.ignore_patterns(".git")
    shutil.copytree(source, target, symlinks=True, ignore=ignored, copy_function=copy_file)
    for program in (target / "bin").iterdir():
        if program.is_file() and not program.is_symlink():
            program.chmod(0o755)


def _refusal(address: BuildpackAddress, answer: dict[str, Any]) -> ToppcloudError:
    kind, why = answer["failed"], answer["why"]
    if kind == UNREACHABLE:
        cure = "Look whether the node reaches that host (proxies: build.env), or name a folder of the node."
        return ToppcloudError(
            f"{address.shown} cannot be reached, and the node has no copy of it.", why, cure, reason="no such buildpack"
        )
    what = f"{address.shown} is not there." if kind == MISSING else f"{address.shown} cannot be used."
    cure = "Correct the address: toppcloud buildpacks, or the file .buildpacks"
    return ToppcloudError(what, why, cure, reason="no such buildpack")
