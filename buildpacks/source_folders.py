"""Folders of a project in which its code may lie: listed quickly, as there may be thousands of files beside them."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path


def list_folders(folder: Path, left_out: Container[str]) -> list[Path]:
    """Folders in `folder`, sorted, but for links, hidden ones and those in `left_out`."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return [folder / name for name in sorted(names) if name not in left_out and not name.startswith(".")]
