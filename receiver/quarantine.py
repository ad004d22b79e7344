"""Where the objects of a push wait until they are accepted: an object store in the repository that only it sees.

    repo.git/quarantine/5f0c1a2b/pack/pack-....pack

The folder is locked (flock) by the process that made it and removed on every way out; one that nobody holds belongs to
a process that died, and is swept by the next. The folder above is held shared by every push, so that nothing is thrown
away from the repository while a push may lean on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dulwich.object_store import DiskObjectStore

from toppcloud.app_layout import RepositoryLayout
from toppcloud.files import sync_folder
from toppcloud.lock import claim_folder, hold_folder

_PARTS_IN_ORDER = (".pack", ".rev", ".idx")  # git sees a pack once it has an index


@dataclass(frozen=True)
class Quarantine:
    """A folder to index a pack into. `store` reads what is in it, and what the repository has."""

    folder: Path
    store: DiskObjectStore
    _layout: RepositoryLayout

    @property
    def shallow(self) -> Path:
        """The shallow file that git reads instead of the repository's."""
        return self.folder / "shallow"

    def keep(self) -> None:
        """Let the repository have the objects. May run twice; `store` goes on reading them."""
        sources = sorted((self.folder / "pack").iterdir(), key=lambda path: _PARTS_IN_ORDER.index(path.suffix))
        for source in sources:
            _sync_file(source)
            with contextlib.suppress(FileExistsError):  # the same pack came before
                os.link(source, self._layout.packs / source.name)
        sync_folder(self._layout.packs)


@contextlib.contextmanager
def open_quarantine(layout: RepositoryLayout) -> Iterator[Quarantine]:
    """A new quarantine, removed with all that is in it at the end of the block. Waits while objects are repacked."""
    layout.quarantines.mkdir(exist_ok=True)
    shared = _open_folder(layout.quarantines)
    try:
        fcntl.flock(shared, fcntl.LOCK_SH)
        _sweep(layout)
        folder = layout.quarantines / secrets.token_hex(4)
        with hold_folder(folder, mode=0o700):
            try:
                (folder / "pack").mkdir()
                store = DiskObjectStore(str(folder), alternates=[str(layout.objects)])
                with contextlib.closing(store):
                    yield Quarantine(folder, store, layout)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(shared)


def sweep_quarantines(layout: RepositoryLayout) -> None:
    """Remove what pushes left behind whose process died. Those under way are left alone."""
    if layout.quarantines.exists():
        _sweep(layout)


@contextlib.contextmanager
def keep_pushes_out(layout: RepositoryLayout) -> Iterator[bool]:
    """Let no push begin while the block runs. Yields False, and nothing is held, when one is under way."""
    layout.quarantines.mkdir(exist_ok=True)
    with claim_folder(layout.quarantines) as is_free:
        yield is_free


def _sweep(layout: RepositoryLayout) -> None:
    for folder in layout.quarantines.iterdir():
        with claim_folder(folder) as is_left:
            if is_left:
                shutil.rmtree(folder, ignore_errors=True)


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
