"""What needs no server: names, URLs, variables, files, advice."""

from pathlib import Path

import psycopg2.extensions
import pytest

from deploy.bindings import write_binding
from deploy.render import render_template
from deploy.services.postgres import parse_admin_url
from deploy.services.postgres_advice import advise_on_output
from deploy.services.postgres_names import DatabaseAddress, make_database_name, render_url, render_variables
from deploy.services.postgres_programs import PostgresPrograms, choose_client_programs, choose_server_programs
from deploy.services.registry import require_service
from deploy.services.service import Binding, BindingState
from toppcloud.account import Account, this_account
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError
from toppcloud.layout import PostgresLayout
from toppcloud.program import run
from toppcloud.secret import Secret


def address(**changes: object) -> DatabaseAddress:
    values = {"host": "127.0.0.1", "port": 5432, "user": "u", "password": Secret("p"), "database": "d", **changes}
    return DatabaseAddress(**values)  # type: ignore[arg-type]


def test_two_apps_of_one_name_get_names_of_their_own_that_need_no_quoting() -> None:
    names = {make_database_name("my-blog") for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("my_blog_") and name.isidentifier() and len(name) < 64 for name in names)
    assert len(make_database_name("a" * 30)) < 64


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "a b@c:d/e?f", "password": Secret("p%40@:/?#[]'\" é"), "database": 'x"; y'},
        {"host": "::1"},
        {"host": "/var/run/postgresql"},
        {"options": {"sslmode": "require", "application_name": "a & b"}},
    ],
)
def test_url_says_the_same_to_libpq_as_its_parts(changes: dict[str, object]) -> None:
    wanted = {key: str(value) for key, value in address(**changes).connect_arguments().items()}
    assert psycopg2.extensions.parse_dsn(render_url(address(**changes), "postgresql")) == wanted


def test_variables_of_the_default_name_and_of_another() -> None:
    plain = render_variables(address(), scheme="postgres", prefix="")
    assert plain["DATABASE_URL"] == "postgres://u:p@127.0.0.1:5432/d"
    assert len(plain) == 11
    other = render_variables(address(), scheme="postgresql", prefix="ANALYTICS")
    assert other["ANALYTICS_URL"] == "postgresql://u:p@127.0.0.1:5432/d"
    assert all(key.startswith("ANALYTICS_") for key in other)


def test_password_is_not_shown_by_repr() -> None:
    binding = Binding(BindingState.READY, {"password": "hunter2"})
    assert "hunter2" not in repr(address(password=Secret("hunter2"))) + repr(binding)


@pytest.mark.parametrize("url", ["", "mysql://u:hunter2@h/d", "postgresql:///d", "postgresql://u:hunter2@h:port/d"])
def test_wrong_admin_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ToppcloudError) as caught:
        parse_admin_url(url)
    assert "hunter2" not in " ".join(caught.value.lines())


def test_names_from_elsewhere_mean_postgres() -> None:
    assert {require_service(name).name for name in ("postgres", "postgresql", "heroku-postgresql")} == {"postgres"}
    with pytest.raises(ToppcloudError, match="There is no service 'redis'"):
        require_service("redis")


def test_server_configuration_is_small_local_and_wants_passwords() -> None:
    text = render_template("postgresql.conf.j2", port=23456, major=18)
    assert "listen_addresses = '127.0.0.1'\nport = 23456\nunix_socket_directories = ''\n" in text
    assert "io_method" not in render_template("postgresql.conf.j2", port=23456, major=16)
    rules = [line for line in render_template("pg_hba.conf.j2").splitlines() if not line.startswith("#")]
    assert rules == ["host  all  all  127.0.0.1/32  scram-sha-256"]


def test_programs_are_copied_whole_to_where_another_account_can_run_them(tmp_path: Path) -> None:
    nobody = Account("nobody", 65534, 65534)
    closed = PostgresLayout(tmp_path / "closed" / "postgres")
    newest = choose_server_programs(closed, this_account(), None)
    assert newest.major >= 18 and not closed.folder.exists()  # reachable: nothing is copied
    if this_account().uid == 0 and nobody.find_closed(newest.bin) is None:
        assert choose_server_programs(closed, nobody, None) == newest

    from deploy.services import postgres_programs

    layout = PostgresLayout(tmp_path / "postgres")
    copy = postgres_programs._copy_programs(layout, newest)
    assert postgres_programs._copy_programs(layout, newest) == copy
    assert run([copy.path("postgres"), "--version"]).lines == run([newest.path("postgres"), "--version"]).lines
    assert all(path.stat().st_mode & 0o004 for path in layout.programs.rglob("*") if not path.is_symlink())
    assert copy.path("postgres").stat().st_mode & 0o777 == 0o755


def test_programs_are_copied_from_where_initdb_would_misread_its_own_path(tmp_path: Path, monkeypatch) -> None:
    from deploy.services import postgres_programs

    real = postgres_programs._package_folder()
    package = tmp_path / 'a "$HOME" `b` \\' / real.name
    package.parent.mkdir()
    package.symlink_to(real)
    package.with_name(f"{real.name}.libs").symlink_to(real.with_name(f"{real.name}.libs"))
    monkeypatch.setattr(postgres_programs, "_package_folder", lambda: package)
    for misread in '"$`\\':
        with pytest.raises(ToppcloudError) as refused:
            choose_server_programs(PostgresLayout(tmp_path / misread), this_account(), None)
        assert misread in refused.value.why and "--root" in refused.value.cure
    copied = choose_server_programs(PostgresLayout(tmp_path / "plain"), this_account(), None)
    assert copied.bin.is_relative_to(tmp_path / "plain" / "programs") and copied.path("initdb").exists()


def test_client_programs_are_never_older_than_the_server() -> None:
    assert choose_client_programs(16).major == 16
    assert choose_client_programs(17).major >= 17
    with pytest.raises(ToppcloudError, match="no psql and pg_dump for PostgreSQL 99"):
        choose_client_programs(99)


def test_version_that_the_package_no_longer_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToppcloudError, match="The embedded PostgreSQL 9 is gone"):
        choose_server_programs(PostgresLayout(tmp_path), this_account(), 9)
    assert PostgresPrograms(tmp_path, 9).path("psql") == tmp_path / "psql"


def test_app_that_wants_an_extension_or_tls_is_told_the_way_out(tmp_path: Path) -> None:
    app = AppLayout(tmp_path)
    lines = ["Traceback …", 'psycopg2.errors.FeatureNotSupported: extension "hstore" is not available']
    assert advise_on_output(app, lines) is None  # it has no database here
    write_binding(app, "postgres", Binding(BindingState.READY, {"server": "embedded"}))
    assert "no extension hstore" in (advise_on_output(app, lines) or "")
    assert "no TLS" in (advise_on_output(app, ["server does not support SSL, but SSL was required"]) or "")
    assert "postgres_url" in (advise_on_output(app, lines) or "")
    assert advise_on_output(app, ["ModuleNotFoundError: No module named 'markdown'"]) is None
    write_binding(app, "postgres", Binding(BindingState.READY, {"server": "admin"}))
    assert advise_on_output(app, lines) is None
