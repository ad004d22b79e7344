"""The repository of many files is the same each time, and as large as it was asked to be."""

from __future__ import annotations

from benchmarks.large_pushes import change_a_file
from benchmarks.large_repository import large_files


def test_it_has_as_many_files_as_asked_for_and_the_app_is_among_them():
    files = large_files(250, "7")
    assert len(files) == 250
    assert "code-7" in files["app.py"]
    assert files == large_files(250, "7")


def test_file_that_a_push_changes_is_one_of_them():
    (name,) = change_a_file(1)
    assert name in large_files(100, "0")
    assert change_a_file(1) != change_a_file(2)
