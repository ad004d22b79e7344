"""The Unix account that runs what was pushed: never uid 0."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toppcloud.tree import give_tree, part_tree


@dataclass(frozen=True)
class Account:
    """A Unix user, by number. `is_self` when it is the user that runs the node: then nothing is switched."""

    name: str
    uid: int
    gid: int

    @property
    def is_self(self) -> bool:
        return self.uid == os.geteuid()

    def popen_arguments(self) -> dict[str, Any]:
        """What subprocess.Popen needs to run as this user."""
        return {} if self.is_self else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def find_closed(self, path: Path) -> Path | None:
        """The first folder on the way to `path` that this user may not enter, or `path` itself when it is there but
        cannot be read; None when nothing is closed. Judged by mode bits; links are followed."""
        real = Path(os.path.realpath(path))
        for folder in reversed(real.parents):
            if not self._may(folder, 0o1):
                return folder
        return None if self._may(real, 0o5 if real.is_dir() else 0o4) else real

    def _may(self, path: Path, bits: int) -> bool:
        if self.uid == 0:
            return True
        info = path.stat()
        shift = 6 if info.st_uid == self.uid else 3 if info.st_gid == self.gid else 0
        return (info.st_mode >> shift) & bits == bits

    def own(self, path: Path) -> None:
        """Give `path` (not what lies below it, not what it links to) to this user."""
        if not self.is_self:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, path: Path) -> None:
        """Give `path` and all below it to this user, following no link. What it writes there is seen nowhere else."""
        if self.is_self:
            part_tree(path)
        else:
            give_tree(path, self.uid, self.gid)


def find_account(name: str) -> Account | None:
    """The user called `name`, or None."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)


def this_account() -> Account:
    """The user that runs this process; by number when it has no passwd entry."""
    uid = os.geteuid()
    try:
        return Account(pwd.getpwuid(uid).pw_name, uid, os.getegid())
    except KeyError:
        return Account(str(uid), uid, os.getegid())
