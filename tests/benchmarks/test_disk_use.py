"""What a folder takes on the disk."""

from __future__ import annotations

from pathlib import Path

from benchmarks.disk_use import count_sources, measure_blocks
from toppcloud.layout import Layout


def test_file_with_two_names_counts_once(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one").write_bytes(b"x" * 100_000)
    alone = measure_blocks(tmp_path)
    (tmp_path / "a/two").hardlink_to(tmp_path / "a/one")
    assert measure_blocks(tmp_path) == alone >= 100_000


def test_folders_count_too(tmp_path: Path):
    before = measure_blocks(tmp_path)
    (tmp_path / "a").mkdir()
    assert measure_blocks(tmp_path) == before + measure_blocks(tmp_path / "a")


def test_only_releases_that_have_their_source_are_counted(tmp_path: Path):
    app = Layout(tmp_path).app("blog")
    app.release(1).folder.mkdir(parents=True)
    app.release(2).source.mkdir(parents=True)
    assert count_sources(Layout(tmp_path), "blog") == 1
