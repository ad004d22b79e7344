import os
import threading
from pathlib import Path

import pytest

from toppcloud.account import find_account
from toppcloud.errors import ToppcloudError
from toppcloud.exchange import exchange
from toppcloud.files import remove_tree
from toppcloud.tree import DEEPEST, give_tree, take_tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes owners")
NOBODY = find_account("nobody")


def test_tree_goes_to_another_and_comes_back_closed_to_writers(tmp_path: Path) -> None:
    assert NOBODY
    top = tmp_path / "top"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").write_text("x")
    (top / "a/b").chmod(0o777)
    (top / "a/b/file").chmod(0o6600)
    (top / "link").symlink_to(tmp_path)
    give_tree(top, NOBODY.uid, NOBODY.gid)
    assert {os.lstat(p).st_uid for p in (top, *top.rglob("*"))} == {NOBODY.uid}
    assert tmp_path.stat().st_uid == 0
    take_tree(top, NOBODY.gid)
    assert {os.lstat(p).st_uid for p in (top, *top.rglob("*"))} == {0}
    assert (top / "a/b").stat().st_mode & 0o7777 == 0o755
    assert (top / "a/b/file").stat().st_mode & 0o7777 == 0o640


def test_folder_that_turns_into_a_link_leads_to_no_file_of_root(tmp_path: Path) -> None:
    """A program of the account exchanges a folder for a link to root's files, over and over, while root walks."""
    assert NOBODY
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    top = tmp_path / "top"
    (top / "inner").mkdir(parents=True)
    for number in range(50):
        (secrets / str(number)).touch()
        (top / "inner" / str(number)).touch()
    (tmp_path / "top/other").symlink_to(secrets)
    is_over = threading.Event()

    def flip() -> None:
        while not is_over.is_set():
            exchange(top / "inner", top / "other")

    flipper = threading.Thread(target=flip)
    flipper.start()
    try:
        for _ in range(100):
            for change in (lambda: give_tree(top, NOBODY.uid, NOBODY.gid), lambda: take_tree(top, NOBODY.gid)):
                try:
                    change()
                except OSError:
                    continue  # the walk met the link where the folder was: it did not follow
    finally:
        is_over.set()
        flipper.join()
    assert {path.stat().st_uid for path in secrets.iterdir()} == {0}
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o644}


def test_tree_without_end_is_refused(tmp_path: Path) -> None:
    assert NOBODY
    (tmp_path / Path(*["d"] * (DEEPEST + 1))).mkdir(parents=True)
    with pytest.raises(ToppcloudError, match="too deep"):
        give_tree(tmp_path / "d", NOBODY.uid, NOBODY.gid)
    remove_tree(tmp_path / "d")
