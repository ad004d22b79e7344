"""What a died push leaves behind, and who removes it."""

from __future__ import annotations

from pathlib import Path

from receiver.quarantine import open_quarantine
from receiver.sessions import sweep_quarantines_of
from toppcloud.app_layout import RepositoryLayout
from toppcloud.layout import Layout


def test_node_start_removes_what_died_pushes_left_and_spares_one_under_way(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    repository = RepositoryLayout(layout.app("blog").repository)
    left = repository.quarantines / "5f0c1a2b" / "pack"
    left.mkdir(parents=True)
    (left / "tmp_pack_x").write_bytes(b"half a pack")
    layout.app("new").folder.mkdir()  # an app without a repository yet
    with open_quarantine(repository) as quarantine:
        left.mkdir(parents=True)
        sweep_quarantines_of(layout)
        assert not left.exists()
        assert quarantine.folder.exists()
