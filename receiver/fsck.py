"""Rules that every object of a push must keep before anything may see it. Pure: bytes in, faults out.

100644 manage.py\\0<20 bytes>                 an entry of a tree
Source: git's fsck.c (hasDotdot, hasDotgit, fullPathname, duplicateEntries, treeNotSorted, nullSha1, badFilemode) and
https://git-scm.com/docs/git-fsck. What old tools wrote and no harm comes of is let through: zero-padded modes, 100664,
odd time zones, missing addresses.
"""

from __future__ import annotations

import re

from receiver.pack_meter import COMMIT, TAG, TREE

_ENTRY = re.compile(rb"([0-7]+) ([^\0]*)\0(.{20})", re.DOTALL)
_FOLDER_MODES = frozenset({b"40000", b"040000"})
_SUBMODULE_MODE = b"160000"
_MODES = _FOLDER_MODES | {b"100644", b"100755", b"100664", b"120000", _SUBMODULE_MODE}
_SUSPECT = re.compile(rb"[\x80-\xff/]|git|\A\.{0,2}\Z", re.IGNORECASE)
_SEPARATORS = re.compile(rb"[\\/]")
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_COMMIT = re.compile(
    rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)author [^\0\n]*\n(?:author [^\0\n]*\n)*committer [^\0\n]*\n"
)
_TAG = re.compile(rb"object ([0-9a-f]{40})\ntype (commit|tree|blob|tag)\ntag [^\0\n]*\n")


def find_fault(kind: int, raw: bytes) -> str | None:
    """What is wrong with an object, in a few words, or None. `kind` as in a pack; blobs have no faults."""
    if kind == TREE:
        return _find_tree_fault(raw)
    if kind == COMMIT:
        return None if _COMMIT.match(raw) else "a commit without tree, author and committer"
    if kind == TAG:
        return None if _TAG.match(raw) else "a tag without object, type and name"
    return None


def read_links(kind: int, raw: bytes) -> list[bytes]:
    """The objects (20 bytes each) that a sound object needs. Submodules are not among them."""
    if kind == TREE:
        return [name for mode, _, name in _ENTRY.findall(raw) if mode != _SUBMODULE_MODE]
    if kind == COMMIT and (match := _COMMIT.match(raw)):
        return [bytes.fromhex(word.decode()) for word in (match[1], *match[2].split()[1::2])]
    if kind == TAG and (match := _TAG.match(raw)):
        return [bytes.fromhex(match[1].decode())]
    return []


def _find_tree_fault(raw: bytes) -> str | None:
    entries: list[tuple[bytes, bytes, bytes]] = _ENTRY.findall(raw)
    if sum(len(mode) + len(name) + 22 for mode, name, _ in entries) != len(raw):
        return "a tree that cannot be read"
    for mode, name, target in entries:
        if mode not in _MODES:
            return f"a file of mode {mode.decode()}: {_show(name)}"
        if _SUSPECT.search(name) and (fault := _find_name_fault(name)):
            return f"{fault}: {_show(name)}"
        if target == bytes(20):
            return f"an entry that points nowhere: {_show(name)}"
    names = [name for _, name, _ in entries]
    if len(set(names)) != len(names):
        return f"two entries of one name: {_show(next(name for name in names if names.count(name) > 1))}"
    keys = [name + b"/" if mode in _FOLDER_MODES else name for mode, name, _ in entries]
    return None if keys == sorted(keys) else "a tree that is not sorted"


def _find_name_fault(name: bytes) -> str | None:
    if not name:
        return "an entry without a name"
    if b"/" in name:
        return "a name with a slash"
    if name in (b".", b".."):
        return "a name that means another folder"
    if _is_dotgit(name):
        return "a name that some disks take for .git"
    return None


def _is_dotgit(name: bytes) -> bool:
    """Whether NTFS (`.GIT . `, `git~1`, `.git::$INDEX_ALLOCATION`) or HFS+ (ignored characters) takes it for `.git`."""
    for part in _SEPARATORS.split(name):
        if part.partition(b":")[0].rstrip(b" .").lower() in (b".git", b"git~1"):
            return True
    return _HFS_IGNORED.sub("", name.decode("utf-8", "replace")).lower() == ".git"


def _show(name: bytes) -> str:
    return repr(name.decode("utf-8", "replace"))[1:-1]
