"""A program: fetches a buildpack from a git URL or an archive into a folder. Runs apart, so that it can be ended.

stdin   {"url": "https://…", "ref": "", "known": "a41c9e2…", "target": "…", "is_archive": false, …}
stdout  the last line: {"version": "a41c9e2…"}, or {"failed": "unreachable", "why": "…"}

`become` is [uid, gid] of who is to do it, or null. The URL may hold credentials, and so is in no argv.
When `version` is what was `known`, the folder `target` is not made.
Source: https://git-scm.com/docs/http-protocol
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import resource
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3.exceptions
from dulwich.client import (
    GitClient,
    HTTPUnauthorized,
    LocalGitClient,
    default_urllib3_manager,
    get_transport_and_path_from_url,
)
from dulwich.config import ConfigDict
from dulwich.errors import GitProtocolError, NotGitRepository
from dulwich.objects import Commit, ObjectID, Tag
from dulwich.repo import Repo

from buildpacks.archive import UnusableArchive, unpack_archive
from buildpacks.buildpack_address import MISSING, UNREACHABLE, UNUSABLE
from buildpacks.export import export_tree
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree

_ABBREVIATED = re.compile(r"[0-9a-f]{6,40}\Z")
_CHUNK = 1 << 16
_PEELED = b"^{}"


class FetchFailed(Exception):
    """`kind` is UNREACHABLE, MISSING or UNUSABLE."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


def main() -> None:
    order = json.load(sys.stdin)
    limit = order["largest_bytes"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"], order["memory_bytes"]))
    if order["become"]:
        uid, gid = order["become"]
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    try:
        answer = {"version": fetch(order)}
    except FetchFailed as failure:
        answer = {"failed": failure.kind, "why": failure.why}
    except ToppcloudError as error:
        answer = {"failed": UNUSABLE, "why": f"{error.what} {error.why}".strip()}
    except MemoryError:
        answer = {"failed": UNUSABLE, "why": "It is too large."}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def fetch(order: Mapping[str, Any]) -> str:
    """The version: a commit, or an archive's hash. Raises FetchFailed, or ToppcloudError for a tree of evil names."""
    target = Path(order["target"])
    if order["is_archive"]:
        return fetch_archive(order["url"], order["known"], target, order["timeout_s"], order["largest_bytes"])
    return fetch_git(order["url"], order["ref"], order["known"], target, order["timeout_s"])


def fetch_git(url: str, ref: str, known: str, target: Path, timeout_s: float) -> str:
    """The newest commit of `ref`, one commit deep where that will do."""
    if known and known == ref:
        return known
    work = target.with_name(f"{target.name}.git")
    try:
        client, path = open_client(url, timeout_s)
        refs: dict[bytes, bytes] = {
            bytes(name): sha for name, sha in client.get_refs(path.encode()).refs.items() if sha
        }
        name = choose_ref(refs, ref)
        if known and is_current(refs, name, ref, known):
            return known
        work.mkdir()
        with Repo.init_bare(work) as repository:
            tips = {ObjectID(sha) for full, sha in refs.items() if not full.endswith(_PEELED)}
            wants = [ObjectID(refs[name])] if name else sorted(tips)
            client.fetch(path, repository, lambda *_args, **_options: wants, depth=1 if name else None)
            found = repository[wants[0] if name else find_abbreviated(repository.object_store, ref)]
            while isinstance(found, Tag):
                found = repository[found.object[1]]
            if not isinstance(found, Commit):
                raise FetchFailed(MISSING, f"{ref} is no commit.")
            version: str = found.id.decode()
            if version != known:
                store: Any = repository.object_store
                export_tree(store, found.tree, target)
            return version
    except HTTPUnauthorized:
        raise FetchFailed(UNREACHABLE, "The host wants a user and a password: it is private, or not there.") from None
    except NotGitRepository:
        raise FetchFailed(MISSING, "There is no git repository.") from None
    except (urllib3.exceptions.HTTPError, GitProtocolError, OSError) as error:
        raise FetchFailed(UNREACHABLE, describe(error)) from None
    except (KeyError, ValueError, AssertionError) as error:
        raise FetchFailed(UNUSABLE, f"What the host sent is no repository: {describe(error)}") from None
    finally:
        remove_tree(work)


def open_client(url: str, timeout_s: float) -> tuple[GitClient, str]:
    """Nobody's git configuration counts; proxies and certificates come from the environment."""
    config = ConfigDict()
    if url.startswith("file:"):
        return LocalGitClient(config=config), unquote(urlsplit(url).path)
    manager: Any = default_urllib3_manager(config, base_url=url, timeout=timeout_s)
    return get_transport_and_path_from_url(url, config=config, pool_manager=manager, quiet=True)


def choose_ref(refs: Mapping[bytes, bytes], ref: str) -> bytes | None:
    """`refs/tags/v3` for v3; None for a commit that the host does not name. Raises FetchFailed."""
    if not refs:
        raise FetchFailed(MISSING, "The repository has no commit.")
    name = ref.encode() or b"HEAD"
    found = next((full for full in (name, b"refs/heads/" + name, b"refs/tags/" + name) if full in refs), None)
    if found or _ABBREVIATED.match(ref):
        return found
    names = sorted({full.split(b"/", 2)[2].decode(errors="replace") for full in refs if full.count(b"/") >= 2})
    listed = ", ".join(name for name in names if not name.endswith("^{}"))[:200]
    raise FetchFailed(MISSING, f"The repository has no branch or tag {ref}. It has: {listed}.")


def is_current(refs: Mapping[bytes, bytes], name: bytes | None, ref: str, known: str) -> bool:
    """Whether the commit `known` is what `ref` means now."""
    if name is None:
        return known.startswith(ref)
    return known.encode() in (refs[name], refs.get(name + _PEELED))


def find_abbreviated(store: Iterable[bytes], ref: str) -> ObjectID:
    """The one commit of which `ref` is the beginning."""
    found = [sha for sha in store if sha.startswith(ref.encode())]
    if len(found) != 1:
        raise FetchFailed(
            MISSING, f"The repository has no commit {ref}." if not found else f"{ref} is several objects."
        )
    return ObjectID(found[0])


def fetch_archive(url: str, known: str, target: Path, timeout_s: float, largest_bytes: int) -> str:
    """The archive's SHA-256. What lies in one folder of it, as GitHub packs it, is taken out of that."""
    request = urllib.request.Request(url, headers={"User-Agent": "toppcloud"})  # noqa: S310 - parsed: https, http, file
    digest, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile(dir=target.parent) as file:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                while chunk := answer.read(_CHUNK):
                    size += len(chunk)
                    if size > largest_bytes:
                        raise FetchFailed(UNUSABLE, f"It is larger than {largest_bytes >> 20} MB.")
                    digest.update(chunk)
                    file.write(chunk)
        except urllib.error.HTTPError as error:
            raise FetchFailed(MISSING, f"The host answers {error.code}.") from None
        except (OSError, http.client.HTTPException) as error:
            raise FetchFailed(UNREACHABLE, describe(error)) from None
        version = digest.hexdigest()
        if version != known:
            file.seek(0)
            try:
                unpack_archive(file, target, largest_bytes)
            except UnusableArchive as error:
                raise FetchFailed(UNUSABLE, str(error)) from None
    return version


def describe(error: BaseException) -> str:
    """One line; urllib3 and urllib wrap the cause, which is what a person wants."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return re.sub(r"(?<=://)[^/\s@]+@", "***@", text.splitlines()[0] if text else "")[:300]


if __name__ == "__main__":
    main()
