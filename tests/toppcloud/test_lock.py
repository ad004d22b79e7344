from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from toppcloud.lock import LockBusy, claim_folder, hold_folder, hold_lock, read_holder


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold_lock(path, by="ana", doing="building a41c9e2"):
        with pytest.raises(LockBusy) as caught, hold_lock(path, by="bo", doing="building 77d0e1a"):
            pass
        assert caught.value.holder is not None
        assert (caught.value.holder.by, caught.value.holder.doing) == ("ana", "building a41c9e2")
        assert caught.value.holder.pid == os.getpid()
        assert read_holder(path) == caught.value.holder
    assert read_holder(path) is None
    with hold_lock(path, by="bo", doing="x"):
        pass


def test_full_disk_keeps_nobody_from_what_frees_it(full_disk: Path) -> None:
    path = full_disk / "lock"
    with hold_lock(path, by="ana", doing="destroying blog"):
        with pytest.raises(LockBusy) as caught, hold_lock(path, by="bo", doing="building 77d0e1a"):
            pass
        assert caught.value.holder is None
    assert read_holder(path) is None


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    pid = os.fork()
    if pid == 0:
        hold_lock(path, by="ana", doing="x").__enter__()
        os._exit(0)
    os.waitpid(pid, 0)
    assert read_holder(path) is None


def test_nobody_holds_a_lock_that_never_was(tmp_path: Path) -> None:
    assert read_holder(tmp_path / "none") is None


def test_lock_that_went_with_its_folder_is_not_had(tmp_path: Path) -> None:
    path = tmp_path / "app/lock"
    path.parent.mkdir()
    gone = threading.Event()

    def wait() -> None:
        with pytest.raises(FileNotFoundError), hold_lock(path, by="bo", doing="x", timeout_s=20):
            pass
        gone.set()

    with hold_lock(path, by="ana", doing="destroying"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        path.parent.rename(tmp_path / "gone")
    waiting.join(20)
    assert gone.is_set()


def test_lock_of_a_folder_that_was_made_anew_is_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "app/lock"
    path.parent.mkdir()
    with hold_lock(path, by="ana", doing="destroying"):
        path.parent.rename(tmp_path / "gone")
        path.parent.mkdir()
        with hold_lock(path, by="bo", doing="building"):
            holder = read_holder(path)
    assert holder
    assert holder.by == "bo"


def test_folder_that_is_held_cannot_be_claimed_and_one_that_was_left_can(tmp_path: Path) -> None:
    folder = tmp_path / "held"
    with hold_folder(folder), claim_folder(folder) as is_free:
        assert not is_free
    with claim_folder(folder) as is_free:
        assert is_free
    with claim_folder(tmp_path / "gone") as is_free:
        assert not is_free
