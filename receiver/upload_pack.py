"""`git clone` and `git fetch`, the node's side: by git's own upload-pack when it is on the node, else by dulwich.

Why git is preferred: docs/decisions/fetching.md.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from dulwich.errors import GitProtocolError, HangupException
from dulwich.protocol import CAPABILITY_FILTER
from dulwich.repo import Repo
from dulwich.server import UploadPackHandler

from receiver.bounded_fetch import BoundedProtocol, BoundedStore
from receiver.repository import GIT_SETTINGS, OneRepository, git_environment, open_repository
from receiver.shallow import read_boundary
from receiver.sideband import SideBand
from receiver.wire import Wire
from toppcloud.app_layout import RepositoryLayout
from toppcloud.errors import REFUSED, ToppcloudError
from toppcloud.program import ProgramFailed, run

_TIMEOUT_S = 4 * 3600.0
_PROTOCOL = re.compile(r"version=[012]\Z")
logger = logging.getLogger("toppcloud.receiver")


def serve_upload_pack(
    repository: Path, stdin: int, stdout: int, stderr: int, *, git: Path | None, protocol: str = ""
) -> int:
    """Serve one `git-upload-pack` on three descriptors. Returns the exit status.

    `protocol` is what the client's GIT_PROTOCOL says (`version=2`); dulwich speaks version 0 whatever it says.
    """
    band = SideBand(stdout, stderr)
    if not repository.parent.exists():
        band.line("There is no such app. Those that there are: toppcloud apps")
        return REFUSED
    layout = RepositoryLayout(repository)
    with open_repository(repository) as repo:
        if git is None:
            return _serve_with_dulwich(repo, layout, Wire(stdin), band)
    return _serve_with_git(git, layout, stdin, stdout, band, protocol)


def _serve_with_git(git: Path, layout: RepositoryLayout, stdin: int, stdout: int, band: SideBand, protocol: str) -> int:
    environment = git_environment(layout)
    if _PROTOCOL.match(protocol):
        environment["GIT_PROTOCOL"] = protocol
    settings = [
        *GIT_SETTINGS,
        "-c",
        "uploadpack.allowFilter=true",
        "-c",
        "pack.windowMemory=64m",
        "-c",
        "pack.threads=1",
    ]
    argv = [str(git), *settings, "upload-pack", "--strict", "--timeout=1800", str(layout.folder)]
    try:
        run(argv, env=environment, stdin=stdin, stdout=stdout, timeout_s=_TIMEOUT_S, on_line=band.line)
    except ProgramFailed as error:
        return error.status_code or REFUSED
    return 0


def _serve_with_dulwich(repo: Repo, layout: RepositoryLayout, wire: Wire, band: SideBand) -> int:
    store = BoundedStore(layout, read_boundary(layout))
    repo.object_store = store
    try:
        _Handler(OneRepository(repo), ["/"], BoundedProtocol(wire.read, band.write, store)).handle()
    except HangupException:
        return REFUSED
    except (GitProtocolError, ToppcloudError) as error:
        logger.warning("fetch failed: %s", error)
        band.line(f"The node did not understand this git: {error}")
        return REFUSED
    finally:
        store.close()
    return 0


class _Handler(UploadPackHandler):
    """dulwich's, without partial clones: their filters need version 2 of the protocol."""

    def capabilities(self) -> list[bytes]:
        return [capability for capability in super().capabilities() if capability != CAPABILITY_FILTER]
