"""Kept files with a program that reads and writes all the while: no write lost, no reader before an empty place."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.app_settings import read_app_settings
from deploy.kept_files import (
    gather_databases,
    gather_kept,
    gather_late,
    keep_paths,
    link_kept,
    list_kept,
    save_files,
    unkeep_paths,
)
from deploy.release import Release, write_release
from deploy.sqlite_file import is_sqlite
from deploy.written_files import find_written
from toppcloud import exchange as exchange_module
from toppcloud.account import Account, find_account, this_account
from toppcloud.acting import act_as
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError
from toppcloud.exchange import exchange
from toppcloud.files import swap_symlink
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings

PYTHON = os.path.realpath(sys.executable)  # for any account; the clone may lie in a folder that is closed to others
WRITE_ROWS = """
import sqlite3, sys, time
path, mode, keeps_open = sys.argv[1:]
connection = sqlite3.connect(path, timeout=20)
connection.execute(f"PRAGMA journal_mode={mode}")
connection.execute("PRAGMA synchronous=off")
connection.execute("CREATE TABLE IF NOT EXISTS row (number)")
for number in range(10**9):
    if keeps_open == "no":
        connection.close()
        connection = sqlite3.connect(path, timeout=20)
        connection.execute("PRAGMA synchronous=off")
    with connection:
        connection.execute("INSERT INTO row VALUES (?)", [number])
    print(number, flush=True)
    time.sleep(0.0005)
"""
COUNTER = iter(range(1000))
RENAME_OVER = """
import os, sys
path = sys.argv[1]
for number in range(10**9):
    with open(path + ".tmp", "w") as file:
        file.write(str(number))
    os.rename(path + ".tmp", path)
    print(number, flush=True)
"""
FILL_FOLDER = """
import os, sys
folder = sys.argv[1]
log = open(folder + "/log", "a")
for number in range(10**9):
    with open(f"{folder}/{number}", "w") as file:
        file.write("x")
    print(number, file=log, flush=True)
    assert len(os.listdir(folder)) == number + 2
    print(number, flush=True)
"""


@pytest.fixture
def node() -> Iterator[Node]:
    root = Path(tempfile.mkdtemp(prefix="toppcloud-test-"))
    root.chmod(0o755)
    yield Node(Layout(root), NodeSettings(), app_account())
    shutil.rmtree(root)


@pytest.fixture
def app(node: Node) -> AppLayout:
    app = node.layout.app("blog")
    make_release(node, app, 1)
    swap_symlink(app.current, "releases/1")
    return app


def app_account() -> Account:
    account = this_account() if os.geteuid() else find_account("nobody")
    assert account
    return account


def make_release(node: Node, app: AppLayout, number: int) -> Path:
    """A release as the slug is: code, and a folder with one file in it."""
    source = app.release(number).source
    (source / "media").mkdir(parents=True)
    (source / "app.py").write_text("")
    (source / "media/default.jpg").write_text("default")
    (source / "config.json").write_text("{}")
    node.account.own_tree(source)
    return source


class Program:
    """A program of the app that counts up; what it has printed, it has done."""

    def __init__(self, node: Node, program: str, *words: object) -> None:
        self.output = node.layout.root / f"output-{next(COUNTER)}"
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [PYTHON, "-c", program, *map(str, words)],
                stdout=file,
                stderr=subprocess.STDOUT,
                **node.account.popen_arguments(),
            )

    def last(self) -> int:
        numbers = self.output.read_text().rpartition("\n")[0].split("\n")
        assert numbers[-1].isdigit() or numbers == [""], numbers[-1]
        return int(numbers[-1] or -1)

    def wait_for(self, number: int) -> None:
        deadline = time.monotonic() + 30
        while self.last() < number:
            assert time.monotonic() < deadline and self.process.poll() is None, self.output.read_text()[-2000:]
            time.sleep(0.005)

    def stop(self) -> int:
        """End it; the last number that it has acknowledged."""
        assert self.process.poll() is None, self.output.read_text()[-2000:]
        self.process.terminate()
        self.process.wait(20)
        return self.last()


def ask(node: Node, database: Path, question: str) -> Any:
    """One value, asked as the app would: for an instant, root's own -wal and -shm files would be closed to the app."""

    def answer() -> Any:
        with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection:
            return connection.execute(question).fetchone()[0]

    return act_as(node.account, answer)


@pytest.mark.parametrize("mode", ["delete", "wal", "persist"])
@pytest.mark.parametrize("keeps_open", ["yes", "no"])
def test_sqlite_database_is_kept_while_it_is_written_and_loses_no_row(
    node: Node, app: AppLayout, mode: str, keeps_open: str
) -> None:
    database = app.release(1).source / "db.sqlite3"
    writer = Program(node, WRITE_ROWS, database, mode, keeps_open)
    writer.wait_for(20)
    assert keep_paths(node, app, ["db.sqlite3"]) == ["db.sqlite3"]
    assert database.is_symlink()
    writer.wait_for(60)
    source = make_release(node, app, 2)
    link_kept(app, source, ["db.sqlite3"], node.account)
    seen = source / "db.sqlite3"
    assert ask(node, seen, "SELECT max(number) FROM row") >= 60
    writer.wait_for(100)
    last = writer.stop()
    assert ask(node, seen, "SELECT count(DISTINCT number) FROM row") > last
    assert ask(node, seen, "PRAGMA integrity_check") == "ok"
    fresh = sqlite3.connect(app.files / "db.sqlite3")
    assert fresh.execute("SELECT count(*) >= ? FROM row", [last + 1]).fetchone() == (1,)
    fresh.close()
    if os.geteuid() == 0:
        assert {path.owner() for path in app.files.iterdir()} == {node.account.name}
    assert find_written(app.release(2), app.slug("none"), ["db.sqlite3", "media", "app.py", "config.json"]) == []


def test_folder_is_kept_while_it_is_filled_and_listed(node: Node, app: AppLayout) -> None:
    folder = app.release(1).source / "media"
    (folder / "default.jpg").unlink()
    writer = Program(node, FILL_FOLDER, folder)
    writer.wait_for(20)
    keep_paths(node, app, ["media"])
    writer.wait_for(200)
    last = writer.stop()
    assert folder.is_symlink()
    assert len((app.files / "media/log").read_text().splitlines()) >= last + 1
    assert all((app.files / f"media/{number}").exists() for number in range(last + 1))


def test_file_that_is_saved_by_rename_is_kept_and_gathered_without_going_back(node: Node, app: AppLayout) -> None:
    source = app.release(1).source
    writer = Program(node, RENAME_OVER, source / "state.json")
    writer.wait_for(5)
    keep_paths(node, app, ["state.json"])
    numbers = []
    for _ in range(40):
        gather_kept(app, source, node.account)
        numbers.append(int((app.files / "state.json").read_text()))
        numbers.append(int((source / "state.json").read_text()))
    last = writer.stop()
    gather_kept(app, source, node.account)
    assert int((app.files / "state.json").read_text()) >= last
    assert (source / "state.json").is_symlink()
    assert numbers == sorted(numbers)
    assert sorted(path.name for path in app.files.iterdir()) == ["state.json"]


def test_last_write_of_a_drained_release_wins_only_when_it_is_the_later_one(node: Node, app: AppLayout) -> None:
    keep_paths(node, app, ["config.json"])
    old = app.release(1).source
    for content, at, expected in (("late", 2_000_000_000, "late"), ("early", 1_000_000_000, "late")):
        (old / "tmp").write_text(content)
        os.utime(old / "tmp", (at, at))
        node.account.own(old / "tmp")
        (old / "tmp").rename(old / "config.json")
        gather_late(app, old, node.account)
        assert (app.files / "config.json").read_text() == expected
        assert not (old / "config.json").exists() or (old / "config.json").is_symlink()


def test_kept_paths_are_in_every_release_and_the_slug_gives_the_first_content(node: Node, app: AppLayout) -> None:
    keep_paths(node, app, ["./media/", "new/deep/state.db", "cache-dir"], missing_too=True)
    assert read_app_settings(app).kept_files == ("media", "new/deep/state.db", "cache-dir")
    (app.release(1).source / "media/upload.jpg").write_text("uploaded")
    source = make_release(node, app, 2)
    link_kept(app, source, read_app_settings(app).kept_files, node.account)
    assert sorted(path.name for path in (source / "media").iterdir()) == ["default.jpg", "upload.jpg"]
    (source / "new/deep/state.db").write_text("written through the link")
    assert (app.release(1).source / "new/deep/state.db").read_text() == "written through the link"
    assert (source / "cache-dir").is_dir()
    link_kept(app, source, read_app_settings(app).kept_files, node.account)  # a second time changes nothing
    assert os.readlink(source / "media") == "../../../files/media"


def test_first_release_of_an_app_starts_with_what_its_slug_brings(node: Node) -> None:
    app = node.layout.app("fresh")
    source = make_release(node, app, 1)
    keep_paths(node, app, ["media", "db.sqlite3"])
    link_kept(app, source, read_app_settings(app).kept_files, node.account)
    assert (app.files / "media/default.jpg").read_text() == "default"
    sqlite3.connect(source / "db.sqlite3").execute("CREATE TABLE x (y)").connection.close()
    assert (app.files / "db.sqlite3").exists()


def test_path_that_only_the_next_version_brings_starts_with_its_content(node: Node, app: AppLayout) -> None:
    for when_kept in (False, True):
        name = f"seeds-{when_kept}"
        keep_paths(node, app, [name], missing_too=when_kept)
        source = make_release(node, app, 2 + when_kept)
        (source / name).mkdir()
        (source / name / "first.txt").write_text("first")
        node.account.own_tree(source)
        link_kept(app, source, [name], node.account)
        assert (source / name).is_symlink() and (app.files / name / "first.txt").read_text() == "first"


def test_unkeep_after_a_refused_release_leaves_nothing_of_it(node: Node, app: AppLayout) -> None:
    keep_paths(node, app, ["seeds"])
    source = make_release(node, app, 2)
    (source / "seeds").mkdir()
    node.account.own_tree(source)
    link_kept(app, source, ["seeds"], node.account)
    unkeep_paths(node, app, ["seeds"])
    assert list(app.files.iterdir()) == []
    assert not os.path.lexists(app.release(1).source / "seeds")


def test_crash_after_the_settings_were_written_is_made_good_at_the_next_change(node: Node, app: AppLayout) -> None:
    (app.settings).write_text(json.dumps({"kept_files": ["config.json"]}))
    app.files.mkdir()
    node.account.own(app.files)
    (app.files / "config.json").symlink_to("../../../files/config.json")  # as far as the exchange had come
    gather_kept(app, app.release(1).source, node.account)
    assert (app.files / "config.json").read_text() == "{}" and not (app.files / "config.json").is_symlink()
    assert (app.release(1).source / "config.json").is_symlink()


def test_unkeep_gives_the_live_release_its_own_again(node: Node, app: AppLayout) -> None:
    keep_paths(node, app, ["media", "config.json", "never-written"])
    (app.release(1).source / "media/upload.jpg").write_text("uploaded")
    unkeep_paths(node, app, ["media", "config.json", "never-written"])
    source = app.release(1).source
    assert not (source / "media").is_symlink() and (source / "media/upload.jpg").exists()
    assert not (source / "config.json").is_symlink()
    assert read_app_settings(app).kept_files == ()


@pytest.mark.parametrize("path", ["/etc/passwd", "../other", "a/../../b", ".", "", ".git/config", "a\nb", ".venv/x"])
def test_path_outside_the_source_folder_is_refused(node: Node, app: AppLayout, path: str) -> None:
    with pytest.raises(ToppcloudError, match="cannot be kept"):
        keep_paths(node, app, [path])
    assert read_app_settings(app).kept_files == ()


def test_paths_that_lie_in_each_other_are_refused_and_nothing_changes(node: Node, app: AppLayout) -> None:
    keep_paths(node, app, ["media"])
    for paths in (["media/x"], ["a/b", "a"]):
        with pytest.raises(ToppcloudError, match="cannot be kept beside"):
            keep_paths(node, app, paths)
    assert read_app_settings(app).kept_files == ("media",)


def test_link_of_the_app_is_not_followed_out_of_its_folder(node: Node, app: AppLayout, tmp_path: Path) -> None:
    source = app.release(1).source
    (source / "outside").symlink_to(tmp_path)
    for path in ("outside", "outside/file.txt"):
        with pytest.raises(ToppcloudError):
            keep_paths(node, app, ["config.json", path], missing_too=True)
        assert read_app_settings(app).kept_files == ()
        assert not (source / "config.json").is_symlink()
    assert list(tmp_path.iterdir()) == []


def test_busy_database_refuses_with_nothing_changed(
    node: Node, app: AppLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.sqlite_file._BUSY_TIMEOUT_S", 0.05)
    database = app.release(1).source / "db.sqlite3"
    held = sqlite3.connect(database, isolation_level=None)
    held.execute("CREATE TABLE row (number)")
    node.account.own(database)
    held.execute("BEGIN IMMEDIATE")
    with pytest.raises(ToppcloudError, match="without a pause"):
        keep_paths(node, app, ["db.sqlite3"])
    assert not database.is_symlink() and read_app_settings(app).kept_files == ()
    held.close()


def test_listing_has_sizes_and_destroying_saves_the_files(node: Node, app: AppLayout) -> None:
    keep_paths(node, app, ["media", "later.db"], missing_too=True)
    media, later = list_kept(app)
    assert media.is_folder and media.size_bytes > 0 and media.written_at
    assert (later.size_bytes, later.written_at, later.is_folder) == (0, None, False)
    slug = app.slug("s1")
    slug.source.mkdir(parents=True)
    write_release(app.release(1), Release(1, "push", "", "", "s1", "ana", "", {}, None))
    sqlite3.connect(app.release(1).source / "left.db").execute("CREATE TABLE x (y)").connection.close()
    gather_databases(node, app)
    (saved,) = save_files(node.layout, app)
    assert is_sqlite(saved / "left.db")
    assert (saved / "media/default.jpg").read_text() == "default" and saved.parent == node.layout.kept
    assert save_files(node.layout, app) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="without root there is nobody to trap")
def test_link_among_the_files_does_not_lead_a_saved_database_to_roots_places(
    node: Node, app: AppLayout, tmp_path: Path
) -> None:
    (app.files).mkdir()
    (app.files / "etc").symlink_to(tmp_path)
    node.account.own_tree(app.files)
    app.slug("s1").source.mkdir(parents=True)
    write_release(app.release(1), Release(1, "push", "", "", "s1", "ana", "", {}, None))
    source = app.release(1).source
    (source / "etc").mkdir()
    sqlite3.connect(source / "etc/ld.so.preload").execute("CREATE TABLE x (y)").connection.close()
    node.account.own_tree(source)
    with pytest.raises(ToppcloudError, match="cannot be kept"):
        gather_databases(node, app)
    assert list(tmp_path.iterdir()) == []
    assert is_sqlite(source / "etc/ld.so.preload")


def test_exchange_works_where_the_file_system_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.symlink_to("x")
    exchange(a, b)
    assert a.is_symlink() and b.is_dir()

    def refuse(a: Path, b: Path) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(exchange_module, "_exchange_at_once", refuse)
    exchange(a, b)
    assert a.is_dir() and b.is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_reader_never_meets_an_empty_place(node: Node, app: AppLayout) -> None:
    source = app.release(1).source
    for number in range(40):
        (source / f"{number}.txt").write_text("x")
    node.account.own_tree(source)
    looker = Program(
        node,
        "import sys\nfor n in range(10**9):\n    open(f'{sys.argv[1]}/{n % 40}.txt').read()\n"
        "    n % 400 or print(n, flush=True)",
        source,
    )
    looker.wait_for(400)
    for number in range(40):
        keep_paths(node, app, [f"{number}.txt"])
    looker.wait_for(looker.last() + 400)
    looker.stop()
