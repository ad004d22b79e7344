"""Databases and kept files as a person has them: pushed, asked for and taken away over ssh."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import select
import shlex
import struct
import subprocess
import termios
from collections.abc import Callable

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]

NOTES = """\
import os, psycopg2

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        if environ["REQUEST_METHOD"] == "POST":
            cursor.execute("INSERT INTO note VALUES (%s)", [environ["wsgi.input"].read().decode()])
        cursor.execute("SELECT text FROM note ORDER BY text")
        return [" ".join(row[0] for row in cursor).encode()]
"""
SCHEMA = """import os, psycopg2
with psycopg2.connect("") as connection:  # libpq's own variables
    connection.cursor().execute("CREATE TABLE IF NOT EXISTS note (text text)")
"""
WRITER = """\
import os, sqlite3

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["REQUEST_METHOD"] == "POST":
        text = environ["wsgi.input"].read().decode()
        with sqlite3.connect("db.sqlite3") as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS note (text)")
            connection.execute("INSERT INTO note VALUES (?)", [text])
        os.makedirs("uploads", exist_ok=True)
        open(f"uploads/{text}", "w").write(text)
    has_rows = os.path.exists("db.sqlite3")
    rows = sqlite3.connect("db.sqlite3").execute("SELECT text FROM note").fetchall() if has_rows else []
    uploads = sorted(os.listdir("uploads")) if os.path.isdir("uploads") else []
    return [f"{[row[0] for row in rows]} {uploads} {os.environ.get('FILES_DIR')}".encode()]
"""


def notes_files() -> dict[str, str]:
    return {
        "app.py": NOTES,
        "schema.py": SCHEMA,
        "requirements.txt": "gunicorn\npsycopg2-binary\n",
        "Procfile": "web: gunicorn app:app\nrelease: python schema.py\n",
        "app.json": '{"addons": ["heroku-postgresql"]}',
    }


def post(node: LiveNode, repository: Repository, text: str) -> None:
    answer = node.request(repository.app, method="POST", body=text.encode())
    assert answer.status == 200, answer


def read_until(terminal: int, words: bytes) -> bytes:
    """What the terminal shows up to `words`."""
    seen = b""
    while words not in seen:
        ready, _, _ = select.select([terminal], [], [], 20)
        assert ready, seen
        seen += os.read(terminal, 65536)
    return seen


def listed(repository: Repository, *words: str) -> list[dict[str, object]]:
    said = repository.toppcloud(*words, "--json")
    assert said.status == 0, said.all
    value: list[dict[str, object]] = json.loads(said.out)
    return value


def test_declared_database_comes_with_the_push_and_outlives_releases(node: LiveNode, live_app: Make) -> None:
    repository = live_app(notes_files())
    post(node, repository, "one")
    repository.commit("Second", {"extra.txt": ""})
    said = repository.push()
    assert said.status == 0, said.all
    assert "-----> postgres attached (18." in said.err
    assert repository.toppcloud("rollback").status == 0
    assert node.request(repository.app).text == "one"

    (service,) = listed(repository, "services")
    assert (service["name"], service["status"]) == ("postgres", "attached")
    assert str(service["version"]).startswith("18.") and "DATABASE_URL" in service["variables"]  # type: ignore[operator]
    hidden = repository.toppcloud("services:info", "postgres")
    shown = repository.toppcloud("services:info", "postgres", "--show")
    assert "PG_DBPASSWORD\n" in hidden.out and "postgresql://" not in hidden.out
    assert "DATABASE_URL=postgresql://" in shown.out and "no TLS" in shown.out
    assert "attached" in repository.toppcloud("services").out

    said = repository.toppcloud("services:add", "postgres", "--scheme", "postgres")
    assert said.status == 0, said.all
    assert "DATABASE_URL=postgres://" in repository.toppcloud("services:info", "postgres", "--show").out
    assert node.request(repository.app).text == "one"
    again = repository.toppcloud("services:add", "postgres", "--scheme", "postgres")
    assert again.status == 0 and "already" in again.out
    assert len(listed(repository, "releases")) == 4


def test_psql_runs_on_the_apps_database_with_options_stdin_and_a_terminal(node: LiveNode, live_app: Make) -> None:
    repository = live_app(notes_files())
    post(node, repository, "one")
    said = repository.toppcloud("pg:psql", "-c", "select text, current_user = current_database() as own from note")
    assert said.status == 0 and " one  | t" in said.out, said.all
    piped = node.ssh("pg:psql", "-a", repository.app, stdin="\\pset tuples_only\nselect 'Ünï' || 1;\n")
    assert piped.status == 0 and "Ünï1" in piped.out, piped.all
    failed = node.ssh("pg:psql", "-a", repository.app, stdin="select nonsense;\nselect 'not reached';")
    assert failed.status == 3 and "nonsense" in failed.err and "not reached" not in failed.out

    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    client = subprocess.Popen(
        [*node.ssh_words(), "-tt", shlex.join(["pg:psql", "-a", repository.app])],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=node.environment,
    )
    os.close(terminal)
    try:
        read_until(main, b"=> ")
        os.write(main, b"select 6 * 7 as answer;\n")
        assert b"42" in read_until(main, b"(1 row)")
        os.write(main, b"\\q\n")
        assert client.wait(20) == 0
    finally:
        client.kill()
        os.close(main)


def test_added_service_that_the_release_refuses_leaves_no_trace(node: LiveNode, live_app: Make) -> None:
    files = plain_files()
    files["app.py"] = f"import os\nassert 'DATABASE_URL' not in os.environ\n{files['app.py']}"
    repository = live_app(files)
    said = repository.toppcloud("services:add", "postgres")
    assert said.status == 1, said.all
    assert listed(repository, "services") == []
    assert "DATABASE_URL" not in node.request(repository.app, "/environ").text
    psql = repository.toppcloud("pg:psql", "-c", "select 1")
    assert psql.status == 1 and "services:add postgres" in psql.err


def test_service_is_added_and_removed_with_a_dump(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    said = repository.toppcloud("services:add", "postgres")
    assert said.status == 0 and said.out.startswith("v2 live"), said.all
    assert "DATABASE_URL" in node.request(repository.app, "/environ").text
    assert repository.toppcloud("config:link", "DB_HOST=PG_DBHOST").status == 0
    assert '"DB_HOST": "127.0.0.1"' in node.request(repository.app, "/environ").text
    assert repository.toppcloud("config:get", "DB_HOST").out == "127.0.0.1\n"
    assert json.loads(repository.toppcloud("config", "--json").out)["DB_HOST"] == "127.0.0.1"
    assert "DB_HOST unlinked" in repository.toppcloud("config:unset", "DB_HOST").out
    assert repository.toppcloud("config:get", "DB_HOST").status == 1
    assert node.ssh("pg:psql", "-a", repository.app, "-c", "create table kept_table (x int)").status == 0

    unsure = repository.toppcloud("services:remove", "postgres")
    assert unsure.status == 1 and "--confirm" in unsure.err
    wrong = repository.toppcloud("services:remove", "postgres", "--confirm", "other")
    assert wrong.status == 1
    said = repository.toppcloud("services:remove", "postgres", "--confirm", repository.app)
    assert said.status == 0, said.all
    (dump,) = node.layout.kept.glob(f"{repository.app}-*.sql.gz")
    assert str(dump) in said.out and b"kept_table" in gzip.decompress(dump.read_bytes())
    assert "DATABASE_URL" not in node.request(repository.app, "/environ").text
    assert listed(repository, "services") == []


def test_var_that_follows_a_service_is_there_while_the_first_push_is_built(new_app: Make) -> None:
    repository = new_app(notes_files() | {"bin/pre_compile": 'echo "built with port ${DB_PORT:?}"\n'})
    (repository.path / "bin/pre_compile").chmod(0o755)
    repository.commit("Its hook may be run", {})
    assert repository.toppcloud("apps:create", repository.app).status == 0
    assert repository.toppcloud("services:add", "postgres").status == 0
    assert repository.toppcloud("config:link", "DB_PORT=PG_DBPORT").status == 0
    said = repository.push()
    assert said.status == 0, said.all
    assert f"built with port {repository.toppcloud('config:get', 'DB_PORT').out.strip()}" in said.all


def test_removal_that_the_release_refuses_keeps_the_database(node: LiveNode, new_app: Make) -> None:
    repository = new_app(notes_files() | {"app.json": "{}", "Procfile": "web: gunicorn app:app\n"})
    assert repository.push("-o", "no-check", "toppcloud", "main").status == 0
    assert repository.toppcloud("services:add", "postgres", "--no-check").status == 0
    assert node.ssh("pg:psql", "-a", repository.app, "-c", "create table note (text text)").status == 0
    post(node, repository, "one")
    said = repository.toppcloud("services:remove", "postgres", "--confirm", repository.app)  # / answers 500 without it
    assert said.status == 1, said.all
    assert node.request(repository.app).text == "one"
    assert listed(repository, "services")[0]["status"] == "attached"


def test_own_database_url_wins_and_another_name_is_asked_for(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    assert repository.toppcloud("config:set", "DATABASE_URL=sqlite:///x.db").status == 0
    said = repository.toppcloud("services:add", "postgres")
    assert said.status == 1 and "--as" in said.err
    said = repository.toppcloud("services:add", "postgres", "--as", "ANALYTICS")
    assert said.status == 0, said.all
    environment = json.loads(node.request(repository.app, "/environ").text)
    assert environment["DATABASE_URL"] == "sqlite:///x.db"
    assert environment["ANALYTICS_URL"].startswith("postgresql://")


def test_app_that_wants_an_extension_is_told_the_way_out(node: LiveNode, new_app: Make) -> None:
    wants = SCHEMA.replace("CREATE TABLE IF NOT EXISTS note (text text)", "CREATE EXTENSION hstore")
    repository = new_app(notes_files() | {"schema.py": wants})
    said = repository.push()
    assert said.status == 1
    assert "has no extension hstore" in said.err and "postgres_url" in said.err, said.err


def test_written_database_is_named_kept_and_there_in_every_later_release(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files() | {"app.py": WRITER})
    post(node, repository, "one")
    repository.commit("Second", {"extra.txt": ""})
    said = repository.push()
    assert said.status == 1
    assert "! [remote rejected] main -> main (data would be left behind)" in said.err
    assert "a SQLite database, written" in said.err and "uploads/" in said.err
    assert "toppcloud files:keep db.sqlite3 uploads" in said.err
    assert "git push -o leave-files toppcloud main" in said.err
    config = repository.toppcloud("config:set", "A=1")
    assert config.status == 1 and "--leave-files" in config.err
    assert {file["path"]: file["kept"] for file in listed(repository, "files")} == {
        "db.sqlite3": False,
        "uploads/": False,
    }

    kept = repository.toppcloud("files:keep", "db.sqlite3", "uploads")
    assert kept.status == 0, kept.all
    post(node, repository, "two")
    assert repository.push().status == 0
    post(node, repository, "three")
    assert repository.toppcloud("rollback").status == 0
    rows = "['one', 'two', 'three'] ['one', 'three', 'two']"
    assert node.request(repository.app).text == f"{rows} {node.layout.app(repository.app).files}"
    assert {file["path"]: file["kept"] for file in listed(repository, "files")} == {
        "db.sqlite3": True,
        "uploads/": True,
    }
    assert "kept" in repository.toppcloud("files").out


def test_written_files_are_left_behind_when_told_to(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files() | {"app.py": WRITER})
    post(node, repository, "one")
    repository.commit("Second", {"extra.txt": ""})
    said = repository.push("-o", "leave-files", "toppcloud", "main")
    assert said.status == 0, said.all
    assert "db.sqlite3" in said.err
    assert node.request(repository.app).text == "[] [] None"
    assert (node.layout.app(repository.app).release(1).source / "db.sqlite3").exists()


def test_declared_files_are_kept_from_the_first_release(node: LiveNode, live_app: Make) -> None:
    declared = '[services.files]\nkeep = ["uploads", "db.sqlite3"]\n'
    repository = live_app(plain_files() | {"app.py": WRITER, "toppcloud.toml": declared})
    assert node.request(repository.app).text == f"[] [] {node.layout.app(repository.app).files}"
    post(node, repository, "one")
    repository.commit("Second", {"extra.txt": ""})
    assert repository.push().status == 0
    assert node.request(repository.app).text.startswith("['one'] ['one'] /")


def test_destroyed_app_leaves_a_dump_and_its_files_and_the_next_of_that_name_inherits_nothing(
    node: LiveNode, live_app: Make
) -> None:
    repository = live_app(notes_files())
    post(node, repository, "secret")
    said = repository.toppcloud("apps:destroy", "--confirm", repository.app)
    assert said.status == 0, said.all
    assert list(node.layout.kept.glob(f"{repository.app}-*-postgres.sql.gz"))
    assert repository.push().status == 0
    assert node.request(repository.app).text == ""


def test_database_and_its_data_are_back_after_stop_and_start(node: LiveNode, live_app: Make) -> None:
    repository = live_app(notes_files())
    post(node, repository, "one")
    assert node.stop().status == 0
    node.start()
    node.wait_for(repository.app, "one")
