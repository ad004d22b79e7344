"""The embedded server under a real supervisord; databases, roles and dumps on it."""

import dataclasses
import gzip
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from deploy import provisioning
from deploy.bindings import read_bindings, service_variables, write_binding
from deploy.provisioning import (
    attach_service,
    destroy_service,
    destroy_services,
    inspect_service,
    provision,
    set_leaving,
    take_back,
)
from deploy.release import ReleaseEnvironment, write_environment
from deploy.services.embedded_postgres import read_superuser, start_embedded, wait_until_ready
from deploy.services.postgres import PostgresService, find_client, locate_database
from deploy.services.postgres_database import open_cursor
from deploy.services.service import Binding, BindingState
from deploy.supervisor import Supervisor
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import swap_symlink
from toppcloud.node import Node
from toppcloud.slug import ServiceDeclaration

pytestmark = pytest.mark.node
POSTGRES = [ServiceDeclaration("postgres")]
NAMES = iter(range(1000))


@pytest.fixture
def app(postgres_node: Node) -> Iterator[AppLayout]:
    layout = make_app(postgres_node, f"blog{next(NAMES)}")
    yield layout
    destroy_services(postgres_node, layout, keep=False)


@pytest.fixture
def console() -> Console:
    return Console(lambda line: None)


def make_app(node: Node, name: str) -> AppLayout:
    app = node.layout.app(name)
    app.folder.mkdir()
    return app


def connect(variables: dict[str, str], **changes: str):  # type: ignore[no-untyped-def]
    connection = psycopg2.connect(variables["DATABASE_URL"], **changes)
    connection.autocommit = True
    return connection


def query(variables: dict[str, str], sql: str, **changes: str) -> list[tuple]:  # type: ignore[type-arg]
    connection = connect(variables, **changes)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def databases(node: Node) -> set[str]:
    with open_cursor(read_superuser(node.layout)) as cursor:
        cursor.execute("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles WHERE rolcanlogin")
        return {row[0] for row in cursor.fetchall()}


def make_live(node: Node, app: AppLayout, number: int = 1) -> None:
    layout = app.release(number)
    layout.folder.mkdir(parents=True)
    write_environment(layout, ReleaseEnvironment({}, service_variables(node, app)))
    swap_symlink(app.current, f"releases/{number}")


def test_declared_database_is_made_once_and_its_variables_all_lead_there(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    variables = service_variables(postgres_node, app)
    query(variables, "CREATE TABLE note (text text); INSERT INTO note VALUES ('kept')")
    provision(postgres_node, app, POSTGRES, console)

    assert service_variables(postgres_node, app) == variables
    assert query(variables, "SELECT text FROM note") == [("kept",)]
    assert "-----> postgres created (18." in console.transcript[0]
    assert "attached (18." in console.transcript[1] and "11 variables" in console.transcript[1]
    by_parts = psycopg2.connect(
        host=variables["PG_DBHOST"],
        port=variables["PG_DBPORT"],
        user=variables["PG_DBUSER"],
        password=variables["PG_DBPASSWORD"],
        dbname=variables["PG_DBNAME"],
    )
    by_parts.close()
    assert {variables[f"PG{part}"] for part in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE")} == {
        variables[f"PG_DB{part}"] for part in ("HOST", "PORT", "USER", "PASSWORD", "NAME")
    }
    assert app.bindings.stat().st_mode & 0o777 == 0o600


def test_database_is_utf8_and_folds_case_beyond_ascii(postgres_node: Node, app: AppLayout, console: Console) -> None:
    provision(postgres_node, app, POSTGRES, console)
    variables = service_variables(postgres_node, app)
    assert query(
        variables, "SELECT lower('ÄÖÜ'), to_tsvector('running')::text, current_setting('server_encoding')"
    ) == [("äöü", "'run':1", "UTF8")]


@pytest.mark.parametrize("name", ["select", "user", "all-tables-drop", "a" * 30])
def test_app_named_like_sql_gets_a_database(postgres_node: Node, console: Console, name: str) -> None:
    app = make_app(postgres_node, name)
    provision(postgres_node, app, POSTGRES, console)
    assert query(service_variables(postgres_node, app), "SELECT 1") == [(1,)]
    destroy_services(postgres_node, app, keep=False)
    app.bindings.unlink()
    app.bindings_lock.unlink()
    app.folder.rmdir()


def test_hostile_names_in_a_binding_are_only_names(postgres_node: Node, app: AppLayout, console: Console) -> None:
    hostile = """a"; DROP TABLE x; --'%s %(n)s \\ é"""
    facts = {"server": "embedded", "database": hostile, "password": """p'"%s@:/?#\\"""}
    write_binding(app, "postgres", Binding(BindingState.MAKING, facts))
    provision(postgres_node, app, POSTGRES, console)
    assert query(service_variables(postgres_node, app), "SELECT current_database()") == [(hostile,)]


def test_role_of_one_app_is_refused_the_others_database(postgres_node: Node, app: AppLayout, console: Console) -> None:
    other = make_app(postgres_node, f"other{next(NAMES)}")
    provision(postgres_node, app, POSTGRES, console)
    provision(postgres_node, other, POSTGRES, console)
    ours, theirs = service_variables(postgres_node, app), service_variables(postgres_node, other)
    for database in (theirs["PGDATABASE"], "postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            connect(ours, dbname=database)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(ours, password="wrong")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(ours, "CREATE ROLE intruder")
    destroy_services(postgres_node, other, keep=False)


def test_crash_between_writing_the_binding_and_making_it_is_completed(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    facts = PostgresService().plan(postgres_node, app)
    write_binding(app, "postgres", Binding(BindingState.MAKING, facts))
    assert service_variables(postgres_node, app) == {}
    superuser = start_embedded(postgres_node)
    with open_cursor(superuser) as cursor:  # as far as a crash may come: a database that is still closed
        cursor.execute(f"CREATE ROLE {facts['database']}")
        cursor.execute(f"CREATE DATABASE {facts['database']} OWNER {facts['database']} ALLOW_CONNECTIONS false")
    provision(postgres_node, app, [], console)
    assert read_bindings(app)["postgres"].state is BindingState.READY
    assert query(service_variables(postgres_node, app), "SELECT 1") == [(1,)]


def test_role_whose_password_was_changed_is_given_its_own_again(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    variables = service_variables(postgres_node, app)
    query(variables, "ALTER ROLE current_user PASSWORD 'other'")
    provision(postgres_node, app, POSTGRES, console)
    assert query(variables, "SELECT 1") == [(1,)]


TRAP = """
    CREATE SCHEMA trap;
    CREATE FUNCTION trap.pg_database_size(name) RETURNS bigint LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN 1; END $$;
    ALTER DATABASE {role} SET search_path = trap, pg_catalog;
    ALTER ROLE {role} PASSWORD 'other';
"""


def test_functions_that_an_app_puts_in_the_way_do_not_run_as_the_superuser(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    variables = service_variables(postgres_node, app)
    query(variables, TRAP.format(role=variables["PGUSER"]))
    provision(postgres_node, app, POSTGRES, console)  # the node comes as superuser, and gives it its password again
    assert query(variables, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
    destroy_service(postgres_node, app, "postgres", keep=True)  # and dumps it


def test_database_that_vanished_is_not_replaced_by_an_empty_one(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    name = service_variables(postgres_node, app)["PGDATABASE"]
    with open_cursor(read_superuser(postgres_node.layout)) as cursor:
        cursor.execute(f"DROP DATABASE {name}")
    with pytest.raises(ToppcloudError, match="is gone"):
        provision(postgres_node, app, POSTGRES, console)
    assert name in databases(postgres_node)  # the role; no database was made


def test_server_that_was_killed_is_back_and_keeps_what_was_committed(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    variables = service_variables(postgres_node, app)
    query(variables, "CREATE TABLE note (text text); INSERT INTO note VALUES ('kept')")
    state = Supervisor(postgres_node.layout).state("postgres")
    assert state and state.pid
    os.kill(state.pid, signal.SIGKILL)
    provision(postgres_node, app, POSTGRES, console)
    assert query(variables, "SELECT text FROM note") == [("kept",)]


def test_server_left_over_by_an_earlier_supervisord_gives_way_to_the_new_one(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    variables = service_variables(postgres_node, app)
    supervisor = Supervisor(postgres_node.layout)
    supervisor.stop("postgres")
    command = postgres_node.layout.postgres.program.read_text().split("command=")[1].split("\n")[0].replace("%%", "%")
    orphan = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until_ready(read_superuser(postgres_node.layout))
    supervisor.start("postgres")
    assert orphan.wait(20) in (0, 1)  # 1 was seen on a busy machine, told to end right after it began to serve
    provision(postgres_node, app, POSTGRES, console)
    assert query(variables, "SELECT 1") == [(1,)]


def test_pid_file_that_names_another_program_does_not_keep_the_server_down(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    supervisor = Supervisor(postgres_node.layout)
    supervisor.stop("postgres")
    pid_file = postgres_node.layout.postgres.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    provision(postgres_node, app, POSTGRES, console)
    assert query(service_variables(postgres_node, app), "SELECT 1") == [(1,)]


def test_server_listens_on_this_machine_only_and_writes_its_port_down(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    superuser = read_superuser(postgres_node.layout)
    assert f"postgres_port = {superuser.port}" in postgres_node.layout.node_toml.read_text()
    with open_cursor(superuser) as cursor:
        cursor.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories'), "
            "(SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256')"
        )
        assert cursor.fetchone() == ("127.0.0.1", "", 0)
    assert postgres_node.layout.postgres.password.stat().st_mode & 0o777 == 0o600
    state = Supervisor(postgres_node.layout).state("postgres")
    assert state and Path(f"/proc/{state.pid}").stat().st_uid != 0


def test_destroyed_database_leaves_a_dump_that_another_database_can_read(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    old = service_variables(postgres_node, app)
    query(
        old, "CREATE TABLE note (id serial PRIMARY KEY, text text); INSERT INTO note (text) VALUES ('Ünï ''quoted''')"
    )
    reader = connect(old)  # an app that still holds a connection
    node = dataclasses.replace(postgres_node, settings=dataclasses.replace(postgres_node.settings, drain_timeout_s=0))
    (dump,) = destroy_services(node, app, keep=True)
    reader.close()

    assert dump.parent == postgres_node.layout.kept and dump.name.startswith(f"{app.name}-2")
    assert dump.stat().st_mode & 0o777 == 0o600
    assert old["PGDATABASE"] not in databases(postgres_node)
    assert read_bindings(app) == {}

    provision(postgres_node, app, POSTGRES, console)  # a new app of that name
    new = service_variables(postgres_node, app)
    assert new["PGDATABASE"] != old["PGDATABASE"]
    assert query(new, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    psql, address = find_client(postgres_node, app, read_bindings(app)["postgres"], "psql")
    subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input=gzip.decompress(dump.read_bytes()),
        env=address.libpq_environment(),
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert query(new, "SELECT text FROM note") == [("Ünï 'quoted'",)]


def test_discarded_database_leaves_no_dump(postgres_node: Node, app: AppLayout, console: Console) -> None:
    provision(postgres_node, app, POSTGRES, console)
    name = service_variables(postgres_node, app)["PGDATABASE"]
    assert destroy_services(postgres_node, app, keep=False) == []
    assert name not in databases(postgres_node)
    assert destroy_services(postgres_node, app, keep=False) == []


def test_dump_that_fails_removes_nothing(postgres_node: Node, app: AppLayout, console: Console) -> None:
    provision(postgres_node, app, POSTGRES, console)
    name = service_variables(postgres_node, app)["PGDATABASE"]
    kept = postgres_node.layout.kept
    kept.mkdir(exist_ok=True)
    kept.rename(kept.with_name("kept.aside"))
    kept.write_text("in the way")
    try:
        with pytest.raises(OSError):
            destroy_services(postgres_node, app, keep=True)
    finally:
        kept.unlink()
        kept.with_name("kept.aside").rename(kept)
    assert name in databases(postgres_node)
    provision(postgres_node, app, POSTGRES, console)
    assert query(service_variables(postgres_node, app), "SELECT 1") == [(1,)]


def test_added_service_of_a_refused_release_leaves_no_trace(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    before, _ = attach_service(postgres_node, app, "postgresql", {"scheme": "postgres"}, "", console)
    variables = service_variables(postgres_node, app)
    assert variables["DATABASE_URL"].startswith("postgres://")
    take_back(postgres_node, app, "postgres", before)
    assert read_bindings(app) == {}
    assert variables["PGDATABASE"] not in databases(postgres_node)


def test_added_service_that_another_push_took_live_meanwhile_stays(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    before, _ = attach_service(postgres_node, app, "postgres", {}, "", console)
    make_live(postgres_node, app)
    take_back(postgres_node, app, "postgres", before)
    assert query(service_variables(postgres_node, app), "SELECT 1") == [(1,)]


def test_scheme_of_an_attached_service_can_be_changed_and_taken_back(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    was = service_variables(postgres_node, app)
    before, _ = attach_service(postgres_node, app, "postgres", {"scheme": "postgres"}, "", console)
    assert service_variables(postgres_node, app)["DATABASE_URL"] == was["DATABASE_URL"].replace(
        "postgresql", "postgres"
    )
    provision(postgres_node, app, POSTGRES, console)  # a declaration that is silent about it changes nothing
    assert service_variables(postgres_node, app)["DATABASE_URL"].startswith("postgres://")
    take_back(postgres_node, app, "postgres", before)
    assert service_variables(postgres_node, app) == was


def test_service_under_another_name_leaves_the_apps_own_database_alone(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    app.staged_config.write_text('{"DATABASE_URL": "mysql://elsewhere"}')
    with pytest.raises(ToppcloudError, match="has a DATABASE_URL of its own"):
        attach_service(postgres_node, app, "postgres", {}, "", console)
    assert read_bindings(app) == {}
    provision(postgres_node, app, POSTGRES, console)
    assert read_bindings(app) == {}
    assert "yours wins" in console.transcript[-1]
    attach_service(postgres_node, app, "postgres", {}, "ANALYTICS", console)
    variables = service_variables(postgres_node, app)
    assert set(variables) == {
        "ANALYTICS_URL",
        *(f"ANALYTICS_PG_DB{part}" for part in ("NAME", "USER", "PASSWORD", "HOST", "PORT")),
    }


def test_service_that_is_leaving_gives_no_variables_and_goes_after_a_crash(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    name = service_variables(postgres_node, app)["PGDATABASE"]
    make_live(postgres_node, app)
    set_leaving(app, "postgres", leaving=True)
    assert service_variables(postgres_node, app) == {}
    make_live(postgres_node, app, 2)  # the release without it is live; then the machine dies
    provision(postgres_node, app, [], console)
    assert read_bindings(app) == {}
    assert name not in databases(postgres_node)
    assert "its data is in" in console.transcript[-1]


def test_service_that_cannot_be_removed_yet_does_not_refuse_a_push(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    facts = {"server": "admin", "host": "gone.example.com", "port": "5432", "database": "d", "password": "p"}
    write_binding(app, "postgres", Binding(BindingState.LEAVING, facts))
    provision(postgres_node, app, POSTGRES, console)
    assert "still there: The app's database lies on gone.example.com:5432." in console.transcript[0]
    assert service_variables(postgres_node, app) == {}
    app.bindings.unlink()


def test_service_whose_removal_died_before_the_release_stays(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    provision(postgres_node, app, POSTGRES, console)
    variables = service_variables(postgres_node, app)
    make_live(postgres_node, app)
    set_leaving(app, "postgres", leaving=True)
    provision(postgres_node, app, [], console)
    assert service_variables(postgres_node, app) == variables


def test_servers_own_admin_url_without_superuser_serves_apps_too(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    superuser = start_embedded(postgres_node)
    with open_cursor(superuser) as cursor:
        cursor.execute("DROP ROLE IF EXISTS admin")
        cursor.execute("CREATE ROLE admin LOGIN CREATEDB CREATEROLE PASSWORD 'p@ss'")
        cursor.execute("GRANT CONNECT ON DATABASE postgres TO admin")
    url = f"postgresql://admin:p%40ss@127.0.0.1:{superuser.port}/postgres?sslmode=prefer"
    node = dataclasses.replace(postgres_node, settings=dataclasses.replace(postgres_node.settings, postgres_url=url))
    provision(node, app, POSTGRES, console)
    variables = service_variables(node, app)
    assert variables["DATABASE_URL"].endswith("?sslmode=prefer")
    query(variables, "CREATE TABLE note (text text)")
    assert inspect_service(node, app, "postgres").version.startswith("18.")
    with pytest.raises(ToppcloudError, match="lies on"):
        destroy_service(postgres_node, app, "postgres", keep=True)  # postgres_url was taken out of node.toml
    assert destroy_service(node, app, "postgres", keep=True)
    assert variables["PGDATABASE"] not in databases(postgres_node)


def test_unknown_service_or_option_is_refused_with_the_nearest(
    postgres_node: Node, app: AppLayout, console: Console
) -> None:
    with pytest.raises(ToppcloudError, match="Did you mean 'postgres'"):
        provision(postgres_node, app, [ServiceDeclaration("postgre")], console)
    with pytest.raises(ToppcloudError, match="no option 'sheme'"):
        provision(postgres_node, app, [ServiceDeclaration("postgres", {"sheme": "x"})], console)
    with pytest.raises(ToppcloudError, match="cannot begin with 'mysql://'"):
        attach_service(postgres_node, app, "postgres", {"scheme": "mysql"}, "", console)
    assert read_bindings(app) == {}


def test_client_runs_as_the_apps_role(postgres_node: Node, app: AppLayout, console: Console) -> None:
    provision(postgres_node, app, POSTGRES, console)
    binding = read_bindings(app)["postgres"]
    psql, address = find_client(postgres_node, app, binding, "psql")
    done = subprocess.run(
        [psql, "-XAtc", "SELECT current_user"],
        env=address.libpq_environment(),
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        **postgres_node.account.popen_arguments(),
    )
    assert done.stdout.strip() == locate_database(postgres_node, binding).user
    assert provisioning.require_binding(app, "postgres")[0] == "postgres"
