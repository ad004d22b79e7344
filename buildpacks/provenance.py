"""Which of the commit's files lie in a slug's source as the commit has them: the next export links those.

tree 9d1f0c2a…
static/generated.css        a path of the commit that the build altered or removed; each is ended by a NUL
"""

from __future__ import annotations

from collections.abc import Mapping

from buildpacks.export import EarlierSource, Exported
from toppcloud.app_layout import SlugLayout
from toppcloud.files import write_file

_HEAD = b"tree "


def find_altered(exported: Exported, built: Mapping[bytes, tuple[bytes, bool]]) -> list[bytes]:
    """Paths whose file is gone, or has other content or another mode, `built` being what is there now."""
    return sorted(path for path, blob in exported.blobs.items() if built.get(path) != blob)


def write_provenance(layout: SlugLayout, exported: Exported, altered: list[bytes]) -> None:
    """Record it, before the slug is real."""
    content = b"".join(path + b"\0" for path in altered)
    write_file(layout.provenance, _HEAD + exported.tree_id + b"\n" + content)


def read_provenance(layout: SlugLayout) -> EarlierSource | None:
    """The slug's source, for an export to link to. None when it is not known what is in it."""
    try:
        head, _, content = layout.provenance.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if not head.startswith(_HEAD):
        return None
    return EarlierSource(layout.source, head.removeprefix(_HEAD), frozenset(content.split(b"\0")[:-1]))
