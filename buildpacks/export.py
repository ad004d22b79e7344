"""A tree in a repository -> files of a slug's own. Writes through folder descriptors, so that no name leads elsewhere.

Blobs become files of 0644 or 0755, links stay links when they lead nowhere outside, submodules are named, not fetched.
A file that an earlier slug has of the same commit's content becomes a hard link to it: see provenance.py.
Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dulwich.objects import S_IFGITLINK, parse_tree

from buildpacks.links import find_outward_links
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree

DEEPEST = 150
_LONGEST_PATH = 2048
_MOST_NAMED = 10
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FORBIDDEN = frozenset({b"", b".", b"..", b".git"})


class ObjectStore(Protocol):
    """What is needed of dulwich's object stores."""

    def get_raw(self, name: bytes, /) -> tuple[int, bytes]: ...


@dataclass(frozen=True)
class Exported:
    """What was written. Paths are bytes relative to the tree's top."""

    tree_id: bytes
    blobs: Mapping[bytes, tuple[bytes, bool]]
    """Of each file the id of its blob (hexadecimal), and whether it is executable."""
    links: int
    submodules: tuple[str, ...]
    """Folders of submodules, which were not fetched."""

    @property
    def files(self) -> int:
        """How many files and links there are."""
        return len(self.blobs) + self.links


@dataclass(frozen=True)
class EarlierSource:
    """A sealed slug's source: what it has of the tree `tree_id` is unchanged, but for the paths in `altered`."""

    path: Path
    tree_id: bytes
    altered: frozenset[bytes]


@dataclass(frozen=True)
class _EarlierFolder:
    """The same folder in the earlier source: its descriptor, the id of its tree, and what is in that."""

    fd: int
    tree_id: bytes
    entries: Mapping[bytes, tuple[int, bytes]]


@dataclass
class _Walk:
    """What one export has met so far. Paths are bytes relative to the tree's top."""

    store: ObjectStore
    altered: frozenset[bytes]
    blobs: dict[bytes, tuple[bytes, bool]] = field(default_factory=dict)
    submodules: list[str] = field(default_factory=list)
    links: dict[bytes, bytes] = field(default_factory=dict)


def export_tree(store: ObjectStore, tree_id: bytes, target: Path, earlier: EarlierSource | None = None) -> Exported:
    """Write the tree `tree_id` (hexadecimal) to `target`, which must not exist, as files of our own.

    With `earlier` equal files are links to that source: nobody may write to them where they are. Made aside and renamed
    when whole: after any error `target` is not there. Raises ToppcloudError naming the path for a link that leads
    outside, a name that no file may have, a missing object; OSError when the disk is full.
    """
    part = target.with_name(f"{target.name}.part")
    remove_tree(part)
    walk = _Walk(store, earlier.altered if earlier else frozenset())
    try:
        part.mkdir(mode=0o755)
        folder = os.open(part, _OPEN_FOLDER)
        try:
            os.fchmod(folder, 0o755)
            name, known_id = (os.fsencode(earlier.path), earlier.tree_id) if earlier else (b"", None)
            with _open_earlier(walk, None, name, known_id) as older:
                _export_folder(walk, tree_id, folder, b"", 0, older)
            _refuse_outward(walk.links)
            _write_links(walk, folder)
        finally:
            os.close(folder)
        part.rename(target)
    except BaseException:
        remove_tree(part)
        raise
    return Exported(tree_id, walk.blobs, len(walk.links), tuple(walk.submodules))


@contextlib.contextmanager
def _open_earlier(
    walk: _Walk, parent: int | None, name: bytes, tree_id: bytes | None
) -> Iterator[_EarlierFolder | None]:
    """The folder `name` of the earlier source; None when it is not there, or the repository has its tree no more."""
    if tree_id is None:
        yield None
        return
    try:
        entries = {name: (mode, object_id) for name, mode, object_id in parse_tree(walk.store.get_raw(tree_id)[1], 20)}
        fd = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    except (KeyError, OSError):
        yield None
        return
    try:
        yield _EarlierFolder(fd, tree_id, entries)
    finally:
        os.close(fd)


def _export_folder(
    walk: _Walk, tree_id: bytes, folder: int, path: bytes, depth: int, earlier: _EarlierFolder | None
) -> None:
    is_same = earlier is not None and earlier.tree_id == tree_id
    entries = _list_entries(earlier) if earlier and is_same else _read_tree(walk, tree_id, path)
    for name, mode, object_id in entries:
        inner = path + b"/" + name if path else name
        _check_name(name, inner, depth)
        try:
            if stat.S_ISDIR(mode):
                _export_inner_folder(walk, object_id, folder, name, inner, depth, earlier)
            elif mode == S_IFGITLINK:
                os.mkdir(name, 0o755, dir_fd=folder)
                walk.submodules.append(render_path(inner))
            elif stat.S_ISLNK(mode):
                if inner in walk.links:
                    raise FileExistsError
                walk.links[inner] = _read_blob(walk, object_id, inner)
            elif not _link_blob(walk, object_id, folder, name, inner, mode, earlier):
                _write_blob(walk, object_id, folder, name, inner, mode)
        except FileExistsError:
            raise _refusal(inner, "The commit holds it twice.") from None


def _export_inner_folder(
    walk: _Walk, tree_id: bytes, parent: int, name: bytes, path: bytes, depth: int, earlier: _EarlierFolder | None
) -> None:
    os.mkdir(name, 0o755, dir_fd=parent)
    folder = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    before = earlier.entries.get(name) if earlier else None
    try:
        os.fchmod(folder, 0o755)
        known_id = before[1] if before and stat.S_ISDIR(before[0]) else None
        with _open_earlier(walk, earlier.fd if earlier else None, name, known_id) as older:
            _export_folder(walk, tree_id, folder, path, depth + 1, older)
    finally:
        os.close(folder)


def _link_blob(
    walk: _Walk, blob_id: bytes, folder: int, name: bytes, path: bytes, mode: int, earlier: _EarlierFolder | None
) -> bool:
    """Whether the earlier source has it, and may have one more link to it."""
    if earlier is None or earlier.entries.get(name) != (mode, blob_id) or path in walk.altered:
        return False
    try:
        os.link(name, name, src_dir_fd=earlier.fd, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        return False
    walk.blobs[path] = (blob_id, bool(mode & 0o100))
    return True


def _write_blob(walk: _Walk, blob_id: bytes, folder: int, name: bytes, path: bytes, mode: int) -> None:
    content = _read_blob(walk, blob_id, path)
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fchmod(fd, 0o755 if mode & 0o100 else 0o644)
    finally:
        os.close(fd)
    walk.blobs[path] = (blob_id, bool(mode & 0o100))


def _write_links(walk: _Walk, top: int) -> None:
    """Links come last, when every folder is there: none of them can be written through."""
    for path, target in walk.links.items():
        try:
            os.symlink(target, path, dir_fd=top)
        except FileExistsError:
            raise _refusal(path, "The commit holds it twice.") from None


def _refuse_outward(links: dict[bytes, bytes]) -> None:
    outward = find_outward_links(links)
    if not outward:
        return
    path, target = render_path(outward[0]), render_path(links[outward[0]])
    others = [render_path(other) for other in outward[1:_MOST_NAMED]]
    more = f" and {len(outward) - _MOST_NAMED} more" if len(outward) > _MOST_NAMED else ""
    raise ToppcloudError(
        f"{path} is a link that leads outside the project.",
        f"It points to {target}, which is not part of the commit and will not be there."
        + (f"\nSo do: {', '.join(others)}{more}" if others else ""),
        "Replace it by the file itself: git rm " + " ".join(shlex.quote(name) for name in [path, *others]),
        reason="link leads outside",
    )


def _check_name(name: bytes, path: bytes, depth: int) -> None:
    if name.lower() in _FORBIDDEN or b"/" in name or b"\0" in name:
        raise _refusal(path, "No file may have that name.")
    if depth >= DEEPEST or len(path) > _LONGEST_PATH:
        raise _refusal(path, f"It lies too deep: {DEEPEST} folders and {_LONGEST_PATH} bytes are the limit.")
    if len(name) > 255:
        raise _refusal(path, "Its name is longer than the 255 bytes that a disk takes.")


def _read_tree(walk: _Walk, tree_id: bytes, path: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    try:
        _, content = walk.store.get_raw(tree_id)
    except KeyError:
        raise _missing(tree_id, path or b".") from None
    yield from parse_tree(content, 20)


def _list_entries(earlier: _EarlierFolder) -> Iterator[tuple[bytes, int, bytes]]:
    return ((name, mode, object_id) for name, (mode, object_id) in earlier.entries.items())


def _read_blob(walk: _Walk, blob_id: bytes, path: bytes) -> bytes:
    try:
        return walk.store.get_raw(blob_id)[1]
    except KeyError:
        raise _missing(blob_id, path) from None


def _missing(object_id: bytes, path: bytes) -> ToppcloudError:
    return _refusal(path, f"Its content, object {object_id.decode()}, is not in the repository.")


def _refusal(path: bytes, why: str) -> ToppcloudError:
    return ToppcloudError(
        f"{render_path(path)} cannot be written.", why, "Correct the commit, push again.", reason="bad file in commit"
    )


def render_path(path: bytes) -> str:
    """`path` as one line that a person can read: what is not printable is escaped, and a long one is cut."""
    text = path.decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= 200 else f"{text[:90]}…{text[-90:]}"
