"""A slug's public files, as the router serves them: regular files below their address, linked to those of the source.

    public/static/app.55e7cbb9ba48.css        public/static/app.55e7cbb9ba48.css.gz
    public-hashed/static/app.55e7cbb9ba48.css  and its .gz: names that tell the content

No link of the app's gets in, so nobody is led out of the folder that the app publishes, and no name with a dot in
front. Of the folder of `[web] static`, which the router serves from the release, only hashed names are in here: pages
that were loaded while this slug was live may ask for them later.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildpacks.hashed_names import is_hashed
from buildpacks.precompression import is_packable, pack
from toppcloud.account import Account
from toppcloud.app_layout import SlugLayout
from toppcloud.slug import Slug


@dataclass(frozen=True)
class _PublicFile:
    path: Path
    """Its address, without the slash in front: `static/app.css`."""
    source: Path
    is_hashed: bool


def make_public_tree(layout: SlugLayout, slug: Slug, previous: SlugLayout | None, account: Account) -> None:
    """Make `public` and `public-hashed` of a slug in whose source nothing runs or changes any more."""
    files = list(_list_public_files(layout.source, slug))
    for file in files:
        _link(file.source, layout.public / file.path)
        if file.is_hashed:
            _link(file.source, layout.public_hashed / file.path)
    _add_packed(files, layout, previous, account)


def _list_public_files(source: Path, slug: Slug) -> Iterator[_PublicFile]:
    for url, folder in slug.static:
        yield from _walk(source, folder, Path(url))
    if slug.web.static:
        yield from (file for file in _walk(source, slug.web.static, Path()) if file.is_hashed)


def _walk(source: Path, inside: str, url: Path) -> Iterator[_PublicFile]:
    """Of the folder `inside` the source; nothing when a link is on the way there."""
    top = source / inside
    if top.resolve() != source.resolve() / inside:
        return
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = url / os.path.relpath(folder, top)
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
                yield _PublicFile(inner / name, path, is_hashed(name))


def _add_packed(files: list[_PublicFile], layout: SlugLayout, previous: SlugLayout | None, account: Account) -> None:
    """What equals the previous slug's file, and so is the same file on the disk, is packed already."""
    own = {file.path for file in files}
    unpacked: dict[Path, _PublicFile] = {}
    for file in files:
        if _packed(file.path) in own or not is_packable(file.path.name, file.source.stat().st_size):
            continue
        older = previous.public / file.path if previous else None
        if older and _is_same(older, file.source) and _packed(older).is_file():
            _place(_packed(older), file, layout)
        else:
            unpacked[file.source] = file
    if unpacked:
        pack(list(unpacked), layout.tmp, account, lambda source, packed: _place(packed, unpacked[source], layout))


def _place(packed: Path, file: _PublicFile, layout: SlugLayout) -> None:
    info = file.source.stat()
    os.utime(packed, ns=(info.st_atime_ns, info.st_mtime_ns))
    _link(packed, _packed(layout.public / file.path))
    if file.is_hashed:
        _link(packed, _packed(layout.public_hashed / file.path))


def _link(source: Path, target: Path) -> None:
    _make_folder(target.parent)
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return  # two folders for one address: the first counts
    except OSError:  # too many links to it
        shutil.copy2(source, target, follow_symlinks=False)


def _make_folder(folder: Path) -> None:
    """Whatever the umask says: the router's account passes through."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o755)


def _packed(path: Path) -> Path:
    return path.with_name(f"{path.name}.gz")


def _is_same(older: Path, newer: Path) -> bool:
    try:
        return older.samefile(newer)
    except OSError:
        return False
