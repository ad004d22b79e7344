"""From a stream to an indexed pack in quarantine, every object of it checked: by git when it is there, else by dulwich.

With git: `index-pack --strict` indexes and checks objects and links; we look at the trees again, for the modes that git
lets through. Without: dulwich indexes, and all of it is checked here.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, ObjectFormatException
from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID, RawObjectID
from dulwich.pack import Pack, UnresolvedDeltas

from receiver.fsck import find_fault, read_links
from receiver.pack_limits import PackLimits, PackRefused, broken_pack
from receiver.pack_meter import BLOB, COMMIT, REF_DELTA, PackMeter
from receiver.quarantine import Quarantine
from receiver.repository import GIT_SETTINGS, git_environment
from receiver.shallow import render_boundary
from toppcloud.app_layout import RepositoryLayout
from toppcloud.disk import refusing_full_disk
from toppcloud.errors import ToppcloudError
from toppcloud.program import ProgramFailed, run

_INDEXING_TIMEOUT_S = 4 * 3600.0  # a slow line may send for long; silence ends it much earlier
_STRICT = (
    "--strict=zeroPaddedFilemode=ignore,badFilemode=ignore,badTimezone=ignore,missingSpaceBeforeDate=ignore,"
    "missingSpaceBeforeEmail=ignore,missingEmail=ignore,missingNameBeforeEmail=ignore,badEmail=ignore,badName=ignore,"
    "zeroPaddedDate=ignore,badDate=ignore,badDateOverflow=ignore,multipleAuthors=ignore,badTagName=ignore,"
    "missingTaggerEntry=ignore"
)  # what old tools wrote and no harm comes of
_DULWICH_ERRORS = (
    ApplyDeltaError, AssertionError, ChecksumMismatch, IndexError, KeyError, ObjectFormatException, UnresolvedDeltas,
    ValueError, zlib.error,
)  # fmt: skip


def index_pack_with_git(
    git: Path,
    chunks: Iterator[bytes],
    layout: RepositoryLayout,
    quarantine: Quarantine,
    limits: PackLimits,
    boundary: frozenset[ObjectID],
) -> None:
    """Index `chunks` into the quarantine; history may end at `boundary`.

    Raises PackRefused, or what `chunks` raises.
    """
    quarantine.shallow.write_bytes(render_boundary(boundary))
    environment = git_environment(layout) | {
        "GIT_OBJECT_DIRECTORY": str(quarantine.folder),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(layout.objects),
        "GIT_QUARANTINE_PATH": str(quarantine.folder),
        "GIT_SHALLOW_FILE": str(quarantine.shallow),
    }
    limit = f"--max-input-size={limits.pack_bytes}"
    argv = [str(git), *GIT_SETTINGS, "index-pack", "--stdin", "--fix-thin", _STRICT, limit]
    try:
        with refusing_full_disk(quarantine.folder):
            run(argv, env=environment, stdin=chunks, timeout_s=_INDEXING_TIMEOUT_S)
    except ProgramFailed as error:
        raise PackRefused(
            "git does not accept what was sent.",
            "It is damaged, breaks git's rules, or lacks objects that it needs.",
            "Look for the cause in your clone: git fsck --full",
            reason="broken or missing objects",
            output=error.output,
        ) from error


def index_pack_with_dulwich(chunks: Iterator[bytes], quarantine: Quarantine) -> None:
    """The same without git: slower, and in memory for one file at a time. Links are not checked here."""
    source = _ChunkReader(chunks)
    try:
        quarantine.store.add_thin_pack(source.read, source.read_some)
    except _DULWICH_ERRORS as error:
        raise broken_pack(f"{type(error).__name__}: {error}".splitlines()[0][:200]) from error


def check_objects(store: DiskObjectStore, meter: PackMeter, boundary: frozenset[ObjectID], *, with_links: bool) -> None:
    """Hold every new object against the rules; `with_links` also that nothing it needs is missing.

    Raises PackRefused for the first one that breaks them. Only what is new is read: the repository's own objects were
    checked when they came.
    """
    pack = store.packs[0]
    kinds = _find_kinds(pack, meter.offsets, meter.kinds)
    for name, kind in kinds.items():
        if kind == BLOB:
            continue
        kind, raw = pack.get_raw(name)
        if fault := find_fault(kind, raw):
            raise PackRefused(
                f"The push holds {fault}.",
                f"Object {name.hex()} breaks git's rules.",
                "Make the commits anew without it; git fsck --full names where it lies.",
                reason="objects break git's rules",
            )
        if with_links:
            _check_links(store, kinds, name, kind, raw, boundary)


def _check_links(
    store: DiskObjectStore,
    kinds: dict[RawObjectID, int],
    name: RawObjectID,
    kind: int,
    raw: bytes,
    boundary: frozenset[ObjectID],
) -> None:
    links = read_links(kind, raw)
    if kind == COMMIT and name.hex().encode() in boundary:
        del links[1:]
    for link in links:
        if link not in kinds and ObjectID(link.hex().encode()) not in store:
            raise missing_object(f"Object {name.hex()} needs {link.hex()}, which was neither sent nor is here.")


def missing_object(why: str) -> ToppcloudError:
    """The refusal of a push whose history has holes."""
    return ToppcloudError(
        "The push lacks objects that it needs.",
        why,
        "Look for the cause in your clone: git fsck --full",
        reason="missing objects",
    )


def _find_kinds(pack: Pack, offsets: array[int], kinds: bytearray) -> dict[RawObjectID, int]:
    """{20-byte name: kind} of what was sent; the bases that were added to a thin pack are not of it."""
    by_offset = dict(zip(offsets, kinds, strict=True))
    found = {
        RawObjectID(bytes(name)): by_offset[offset]
        for name, offset, _ in pack.index.iterentries()
        if offset in by_offset
    }
    for name, kind in found.items():
        if kind == REF_DELTA:
            found[name] = pack.get_raw(name)[0]
    return found


class _ChunkReader:
    """Chunks as dulwich reads: exactly so much, or what is there."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read_some(self, size: int) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        part, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return part

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := self.read_some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
