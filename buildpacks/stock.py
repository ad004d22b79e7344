"""Taking stock of a source when no build step runs in it any more: its manifest, what the build altered, its bytecode.

What is as in the slug before is neither read nor compiled again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from buildpacks.buildpack import PythonPart
from buildpacks.bytecode import Compilation, compile_files, list_source_compilations, reuse_bytecode
from buildpacks.export import Exported
from buildpacks.manifest import KnownSource, Manifest, ScannedSource, read_manifest, scan_source, write_manifest
from buildpacks.provenance import find_altered, write_provenance
from buildpacks.seal import take_back
from toppcloud.app_layout import SlugLayout
from toppcloud.node import Node


def take_stock(
    node: Node,
    layout: SlugLayout,
    older: SlugLayout | None,
    exported: Exported | None,
    python: PythonPart | None,
    is_cancelled: Callable[[], str | None],
) -> ScannedSource:
    """Write the manifest and the bytecode of the source; `older` is the slug before, used where it is equal."""
    take_back(layout.source, node.account)
    known = KnownSource(older.source, read_manifest(older.manifest)) if older else None
    scanned = scan_source(layout.source, exported.blobs if exported else None, known)
    write_manifest(layout.manifest, scanned.manifest, older.manifest if older else None)
    if exported:
        write_provenance(layout, exported, find_altered(exported, scanned.blobs))
    if python is not None:
        _compile(node, layout, scanned.manifest, known, python, is_cancelled)
    return scanned


def _compile(
    node: Node,
    layout: SlugLayout,
    manifest: Manifest,
    known: KnownSource | None,
    python: PythonPart,
    is_cancelled: Callable[[], str | None],
) -> None:
    compilations = list(list_source_compilations(layout.source, manifest.files, python.cache_tag))
    if known:
        compilations = reuse_bytecode(compilations, _find_equal(manifest, known))
    for folder in {compilation.target.parent for compilation in compilations}:
        folder.mkdir(exist_ok=True)
        node.account.own(folder)
    compile_files(
        Path(python.executable),
        compilations,
        node.account,
        timeout_s=node.settings.build_timeout_s,
        is_cancelled=is_cancelled,
    )


def _find_equal(manifest: Manifest, known: KnownSource) -> Callable[[Compilation], Path | None]:
    """For `reuse_bytecode`: the older slug has a file of the same content at the same place."""

    def find(compilation: Compilation) -> Path | None:
        path = os.fsencode(compilation.shown)
        if known.manifest.files.get(path) != manifest.files[path]:
            return None
        folder = os.path.dirname(compilation.shown)  # noqa: PTH120 - thousands of them, and pathlib is slow
        return Path(known.path, folder, "__pycache__", compilation.target.name)

    return find
