from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from toppcloud.errors import ToppcloudError
from toppcloud.program import run


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB without any space left: of a file `ballast`."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder])
    except ToppcloudError:
        pytest.skip("no disk can be made here")
    try:
        with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        yield folder
    finally:
        run(["umount", folder])
