import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.leaving_files import plan_leaving, refuse_leaving_data
from deploy.written_files import WrittenFile, find_written
from toppcloud.app_layout import AppLayout, ReleaseLayout, SlugLayout
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree, size_of_tree

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> AppLayout:
    """An app whose release 20 is a copy of its slug."""
    app = AppLayout(tmp_path / "blog")
    slug, release = app.slug("s1").source, app.release(20).source
    for path in ("blog/views.py", "static/site.css", "data/seed.csv", "db/empty"):
        (slug / path).parent.mkdir(parents=True, exist_ok=True)
        (slug / path).write_text(f"{path}\n")
    release.parent.mkdir(parents=True)
    os.system(f"cp --archive '{slug}' '{release}'")
    return app


def slug_of(app: AppLayout) -> SlugLayout:
    return app.slug("s1")


def release_of(app: AppLayout) -> ReleaseLayout:
    return app.release(20)


def write(app: AppLayout, path: str, content: str = "x") -> Path:
    place = release_of(app).source / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    return place


def make_database(path: Path, *, wal: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    if wal:
        connection.execute("PRAGMA journal_mode=wal")
    connection.execute("CREATE TABLE note (text)")
    connection.commit()
    return connection


def paths(app: AppLayout, kept: tuple[str, ...] = ()) -> list[str]:
    return [file.path for file in find_written(release_of(app), slug_of(app), kept)]


def test_untouched_copy_has_nothing_written(app: AppLayout) -> None:
    assert find_written(release_of(app), slug_of(app)) == []


def test_new_changed_and_equal_files_are_told_apart(app: AppLayout) -> None:
    write(app, "uploads/2026/cat.jpg", "cat")
    write(app, "data/seed.csv", "data/sEEd.csv\n")
    time.sleep(0.01)
    write(app, "static/site.css", "static/site.css\n")  # written again, with the same content
    assert paths(app) == ["data/seed.csv", "uploads/2026/cat.jpg"]
    assert [file.new_folder for file in find_written(release_of(app), slug_of(app))] == ["", "uploads"]


def test_bytecode_caches_logs_pids_links_and_sockets_are_not_named(app: AppLayout) -> None:
    for path in ("blog/__pycache__/views.pyc", "old.pyc", ".cache/x/y", "app.log", "logs/a.log", "gunicorn.pid"):
        write(app, path)
    (release_of(app).source / "latest").symlink_to("/etc/passwd")
    os.mkfifo(release_of(app).source / "pipe")
    assert paths(app) == []


def test_kept_paths_are_not_named(app: AppLayout) -> None:
    write(app, "media/a.jpg")
    write(app, "mediaeval.txt")
    write(app, "state.json")
    assert paths(app, ("media", "state.json")) == ["mediaeval.txt"]


def test_sqlite_database_is_recognised_by_content_with_its_companions(app: AppLayout) -> None:
    source = release_of(app).source
    connection = make_database(source / "site.data", wal=True)
    write(app, "not-one.sqlite3", "SQLite format 3")
    (database, other) = sorted(find_written(release_of(app), slug_of(app)), key=lambda file: not file.is_database)
    connection.close()
    assert database.path == "site.data" and database.is_database
    assert database.size_bytes > 4096  # its -wal counts
    assert other.path == "not-one.sqlite3" and not other.is_database


def test_database_of_the_slug_is_written_when_only_its_wal_is(app: AppLayout) -> None:
    seed = slug_of(app).source / "seed.sqlite3"
    make_database(seed, wal=True).close()
    copy = release_of(app).source / "seed.sqlite3"
    os.system(f"cp --archive '{seed}' '{copy}'")
    assert paths(app) == []
    connection = sqlite3.connect(copy)
    connection.execute("SELECT * FROM note").fetchall()
    assert paths(app) == []  # opened and read: -wal and -shm are there, nothing is in them
    connection.execute("INSERT INTO note VALUES ('x')")
    connection.commit()
    (file,) = find_written(release_of(app), slug_of(app))
    connection.close()
    assert file.path == "seed.sqlite3" and file.is_database


def test_twenty_thousand_files_are_looked_through(app: AppLayout) -> None:
    for source in (slug_of(app).source, release_of(app).source):
        for folder in range(100):
            (source / f"package{folder}").mkdir()
            for number in range(200):
                (source / f"package{folder}/module{number}.py").touch()
                os.utime(source / f"package{folder}/module{number}.py", (1, 1))
    began = time.perf_counter()
    assert find_written(release_of(app), slug_of(app)) == []
    print(f"{time.perf_counter() - began:.3f} s")


def test_release_whose_slug_is_gone_has_written_everything(app: AppLayout) -> None:
    assert len(find_written(release_of(app), app.slug("gone"))) == 4


def database(path: str, size_bytes: int, age_s: float, folder: str = "") -> WrittenFile:
    return WrittenFile(path, size_bytes, NOW.timestamp() - age_s, True, folder)


def plain(path: str, size_bytes: int, folder: str = "", age_s: float = 60) -> WrittenFile:
    return WrittenFile(path, size_bytes, NOW.timestamp() - age_s, False, folder)


def test_refusal_reads_as_people_expect() -> None:
    uploads = [plain(f"uploads/{number}.jpg", 12_000_000 // 37, "uploads") for number in range(37)]
    what, lines, keep = plan_leaving([database("db.sqlite3", 1_400_000, 8), *uploads], 20, NOW)
    assert [what, *lines, keep] == [
        "v20 wrote 2 things in its folder that the next release will not have, a database among them:",
        "  db.sqlite3      1.4 MB   a SQLite database, written 8 s ago",
        "  uploads/        37 files, 12 MB",
        "Keep them over releases:      toppcloud files:keep db.sqlite3 uploads",
    ]


def test_database_in_a_folder_of_its_own_is_kept_with_the_folder() -> None:
    what, lines, keep = plan_leaving([database("instance/flaskr.sqlite", 16_384, 8, "instance")], 3, NOW)
    assert what == "v3 wrote 1 thing in its folder that the next release will not have, a database:"
    assert lines == ["  instance/flaskr.sqlite  16 kB    a SQLite database, written 8 s ago"]
    assert keep.endswith("toppcloud files:keep instance")


def test_many_files_in_a_folder_of_the_slug_are_shown_as_one_and_hostile_names_quoted() -> None:
    files = [plain(f"data/{number}.csv", 1000) for number in range(9)] + [plain("it's; rm.txt", 5)]
    _, lines, keep = plan_leaving(files, 3, NOW)
    assert lines == ["  data/           9 files, 9.0 kB", "  it's; rm.txt    5 bytes  written 60 s ago"]
    assert """'it'"'"'s; rm.txt'""" in keep or "…" in keep


def test_plain_files_warn_and_a_database_refuses_unless_it_may_be_left(app: AppLayout) -> None:
    slug = type("S", (), {"id": "s1"})()
    arguments = {"kept": (), "may_leave": False}
    assert refuse_leaving_data(app, release_of(app), slug, **arguments) is None
    write(app, "notes.txt", "x")
    assert "notes.txt" in (refuse_leaving_data(app, release_of(app), slug, **arguments) or "")
    make_database(release_of(app).source / "db.sqlite3").close()
    with pytest.raises(ToppcloudError) as caught:
        refuse_leaving_data(app, release_of(app), slug, **arguments)
    assert caught.value.reason == "data would be left behind"
    assert caught.value.cure.splitlines() == [
        "Keep them over releases:      toppcloud files:keep db.sqlite3 notes.txt",
        "Deploy and leave them in v20: git push -o leave-files toppcloud main",
    ]
    with pytest.raises(ToppcloudError) as caught:
        refuse_leaving_data(app, release_of(app), slug, kind="config", **arguments)
    assert "--leave-files" in caught.value.cure
    assert "db.sqlite3" in (refuse_leaving_data(app, release_of(app), slug, kept=(), may_leave=True) or "")


@pytest.mark.parametrize("name", ["d", "d" * 40])
def test_folders_without_end_are_told_by_where_they_begin_to_be_too_deep(app: AppLayout, name: str) -> None:
    here = os.open(release_of(app).source, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (file,) = find_written(release_of(app), slug_of(app))
    assert (file.new_folder, file.is_database) == (name, False)
    assert size_of_tree(app.folder) > 0
    remove_tree(app.folder)
