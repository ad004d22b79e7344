from __future__ import annotations

import os
import threading
from pathlib import Path

from toppcloud.account import find_account
from toppcloud.files import (
    read_json,
    read_plain_file,
    remove_tree,
    size_of_tree,
    swap_symlink,
    sweep_temporary,
    write_file,
    write_json,
)
from toppcloud.program import run


def test_write_replaces_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    write_file(path, "old", mode=0o600)
    write_file(path, "new", mode=0o600)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings"]


def test_a_failed_write_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "inside").touch()
    try:
        write_file(path, "text")
    except OSError:
        pass
    else:
        raise AssertionError("a folder was replaced by a file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_tree_of_any_depth_is_removed_with_what_is_sealed_in_it(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    sealed = tmp_path / "d" / "sealed" / "inner"
    sealed.mkdir(parents=True)
    (sealed / "file").touch(mode=0o444)
    (tmp_path / "elsewhere").hardlink_to(sealed / "file")
    for folder in (sealed, sealed.parent):
        folder.chmod(0o555)
    remove_tree(tmp_path / "d")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o444


def test_json_round_trip_and_default(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"key": "ü"})
    assert read_json(tmp_path / "a.json") == {"key": "ü"}
    assert read_json(tmp_path / "b.json", 7) == 7


def test_swapping_a_link_is_never_seen_half_done(tmp_path: Path) -> None:
    link = tmp_path / "current"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    swap_symlink(link, "a")
    done = threading.Event()
    missing = []

    def read() -> None:
        while not done.is_set():
            try:
                link.stat()
            except FileNotFoundError as error:
                missing.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(300):
        swap_symlink(link, "ab"[turn % 2])
    done.set()
    reader.join()
    assert not missing


def test_what_an_interruption_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".new-1234").touch()
    (tmp_path / ".new-5678").mkdir()
    (tmp_path / ".new-5678" / "x").touch()
    (tmp_path / ".gone-1234").mkdir()
    (tmp_path / ".gone-1234" / "x").touch()
    (tmp_path / "kept").touch()
    sweep_temporary(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


WRITES = """
import os, sys, time
os.chdir(sys.argv[1])
try:
    for number in range(10**9):
        os.mkdir(str(number)); open(f"{number}/file", "w").close(); open(f"file{number}", "w").close()
        if number == 500:
            print("there", flush=True)
            end = time.monotonic() + 1
        if number > 500 and time.monotonic() > end:
            break
except OSError:
    pass
"""


def test_tree_that_a_program_still_writes_into_is_removed(tmp_path: Path) -> None:
    account = find_account("nobody") if os.geteuid() == 0 else None
    folder = tmp_path / "slug/source"
    folder.mkdir(parents=True)
    if account:
        account.own(folder)
    started = threading.Event()
    writer = threading.Thread(
        target=run,
        args=[["/usr/bin/python3", "-c", WRITES, "."]],
        kwargs={"cwd": folder, "account": account, "on_line": lambda _: started.set()},
    )
    writer.start()
    assert started.wait(60)
    remove_tree(tmp_path / "slug")
    assert list(tmp_path.iterdir()) == []
    writer.join()


def test_removing_takes_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "never-there")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_hard_links_count_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 50_000)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert 50_000 <= size_of_tree(tmp_path) < 90_000


def test_tree_that_two_remove_at_the_same_time_is_gone(tmp_path: Path) -> None:
    for number in range(20):
        for name in range(50):
            (tmp_path / f"tree{number}/inner/{name}").mkdir(parents=True)
        inner = threading.Thread(target=remove_tree, args=(tmp_path / f"tree{number}/inner",))
        inner.start()
        remove_tree(tmp_path / f"tree{number}")
        inner.join()
    assert list(tmp_path.iterdir()) == []


def test_plain_file_is_read_to_its_limit_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert read_plain_file(tmp_path / "file", 3) == b"abc"
    for name in ("link", "folder", "pipe", "nothing", "a" * 300, "nul\0"):
        assert read_plain_file(tmp_path / name, 3) is None
