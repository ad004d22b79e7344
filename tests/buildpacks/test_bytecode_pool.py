"""Equal sources of two virtualenvs are compiled once; what is no ordinary file has no place in the pool."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from buildpacks.bytecode import Compilation, compile_files, list_compilations, reuse_bytecode
from buildpacks.bytecode_pool import fill_pool, find_pooled
from toppcloud.account import this_account

TAG = str(sys.implementation.cache_tag)


def make_package(folder: Path, files: dict[str, str]) -> list[Compilation]:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return list(list_compilations(folder, TAG))


def compile_all(compilations: list[Compilation]) -> None:
    compile_files(Path(sys.executable), compilations, this_account(), timeout_s=30)


def test_equal_source_is_not_compiled_again_whatever_its_name(tmp_path: Path) -> None:
    first = make_package(tmp_path / "one", {"views.py": "x = 1", "bad.py": "def ("})
    compile_all(first)
    fill_pool(tmp_path / "pool", first)
    second = make_package(tmp_path / "two", {"other.py": "x = 1", "bad.py": "def (", "new.py": "x = 2"})
    rest = reuse_bytecode(second, find_pooled(tmp_path / "pool"))
    assert [item.shown for item in rest] == ["bad.py", "new.py"]
    linked = next(item for item in second if item.shown == "other.py")
    assert linked.target.samefile(tmp_path / f"one/__pycache__/views.{TAG}.pyc")


def test_pool_that_is_not_there_yet_has_nothing(tmp_path: Path) -> None:
    compilations = make_package(tmp_path / "one", {"views.py": "x = 1"})
    assert reuse_bytecode(compilations, find_pooled(tmp_path / "pool")) == compilations


def test_filling_twice_changes_nothing(tmp_path: Path) -> None:
    compilations = make_package(tmp_path / "one", {"views.py": "x = 1"})
    compile_all(compilations)
    for _ in range(2):
        fill_pool(tmp_path / "pool", compilations)
    assert len(list((tmp_path / "pool").iterdir())) == 1


def test_pipe_with_the_name_of_a_module_holds_nobody_up(tmp_path: Path) -> None:
    compilations = make_package(tmp_path / "one", {"views.py": "x = 1"})
    compile_all(compilations)
    fill_pool(tmp_path / "pool", compilations)
    os.mkfifo(tmp_path / "one/pipe.py")
    listed = list(list_compilations(tmp_path / "one", TAG))
    assert [item.shown for item in reuse_bytecode(listed, find_pooled(tmp_path / "pool"))] == ["pipe.py"]
