from __future__ import annotations

import errno
from pathlib import Path

import pytest

from toppcloud.disk import refusing_full_disk
from toppcloud.errors import ToppcloudError
from toppcloud.program import ProgramFailed, run


def test_file_that_finds_no_space_is_told_as_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ToppcloudError, match="disk is full") as refused, refusing_full_disk():
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))
    assert refused.value.reason == "disk full on the node"


def test_program_that_finds_no_space_is_told_as_a_full_disk(full_disk: Path) -> None:
    copy = ["cp", full_disk / "ballast", full_disk / "copy"]
    with pytest.raises(ProgramFailed), refusing_full_disk():
        run(copy)
    with pytest.raises(ToppcloudError, match="disk is full"), refusing_full_disk(full_disk):
        run(copy)


def test_program_that_fails_of_something_else_has_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed), refusing_full_disk(tmp_path):
        run(["cp", tmp_path / "nothing", tmp_path / "copy"])
