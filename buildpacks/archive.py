"""A .tgz that somebody else has made -> a folder. What is in it is hostile until it is checked."""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from buildpacks.export import DEEPEST
from buildpacks.links import find_outward_links
from toppcloud.files import remove_tree

_MOST_MEMBERS = 100_000


class UnusableArchive(Exception):
    """Says why."""


def unpack_archive(file: IO[bytes], target: Path, largest_bytes: int) -> None:
    """Files, folders and links inside it; anything else, and any name that leads outside, refuses the whole."""
    part = target.with_name(f"{target.name}.part")
    part.mkdir(mode=0o755)
    try:
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            unpack_members(archive, part, largest_bytes)
        inner = list(part.iterdir())
        is_wrapped = len(inner) == 1 and inner[0].is_dir() and not inner[0].is_symlink() and inner[0].name != "bin"
        (inner[0] if is_wrapped else part).rename(target)
    except (tarfile.TarError, zlib.error, EOFError, OSError, KeyError, ValueError) as error:
        raise UnusableArchive(f"It is no .tgz that can be unpacked: {error}") from None
    finally:
        remove_tree(part)


def unpack_members(archive: tarfile.TarFile, folder: Path, largest_bytes: int) -> None:
    """Links last, so that no file is written through one."""
    links: dict[bytes, bytes] = {}
    total = 0
    for number, member in enumerate(archive):
        path = folder / check_name(member.name)
        total += member.size
        if total > largest_bytes or number > _MOST_MEMBERS:
            raise UnusableArchive(f"Unpacked it is larger than {largest_bytes >> 20} MB.")
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.isdir():
            path.mkdir(exist_ok=True)
        elif member.issym():
            links[os.fsencode(path.relative_to(folder))] = os.fsencode(member.linkname)
        elif content := archive.extractfile(member) if member.isfile() or member.islnk() else None:
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
            path.chmod(0o755 if member.mode & 0o111 else 0o644)
        else:
            raise UnusableArchive(f"{member.name[:100]} in it is neither file, folder nor link.")
    if outward := find_outward_links(links):
        raise UnusableArchive(f"The link {os.fsdecode(next(iter(outward)))[:100]} in it leads outside.")
    for link, to in links.items():
        (folder / os.fsdecode(link)).symlink_to(os.fsdecode(to))


def check_name(name: str) -> PurePosixPath:
    """A path below the archive's top."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or len(path.parts) > DEEPEST:
        raise UnusableArchive(f"The name {name[:100]!r} in it leads outside.")
    return path
