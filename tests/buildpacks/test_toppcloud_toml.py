import pytest

from buildpacks.processes import render_web
from buildpacks.toppcloud_toml import WebProcess, parse_toppcloud_toml
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Check, ServiceDeclaration, Web


def test_everything_it_can_say():
    toml = parse_toppcloud_toml("""
[web]
wsgi = "blog.wsgi:application"
runner = "mod_wsgi"
static = "public/"
idle = "15m"
sleeps_with = ["worker", "worker"]
unavailable = "errors/503.html"
[services]
redis = false
[services.postgres]
scheme = "postgres"
[services.files]
keep = ["media/", "db.sqlite3", "media"]
[checks]
path = "/healthz?full=1"
timeout = "90s"
auto_rollback = "5m"
auto_rollback_after = 3
""")
    assert toml.web == WebProcess("wsgi", "blog.wsgi:application")
    assert toml.services == (ServiceDeclaration("postgres", {"scheme": "postgres"}),)
    assert toml.kept_paths == ("media", "db.sqlite3")
    assert toml.check == Check("/healthz?full=1", 90.0, 300.0, 3)
    assert toml.options == Web(
        runner="mod_wsgi",
        target="blog.wsgi:application",
        static="public",
        idle="15m",
        sleeps_with=("worker",),
        unavailable_page="errors/503.html",
    )


def test_empty_file_says_nothing():
    toml = parse_toppcloud_toml("")
    assert (toml.web, toml.options, toml.services, toml.kept_paths, toml.check) == (None, Web(), (), (), Check())


def test_web_with_nothing_but_options_names_no_process():
    toml = parse_toppcloud_toml("[web]\nstatic = '.'\nidle = 'never'")
    assert (toml.web, toml.options) == (None, Web(static=".", idle="never"))


def test_timeout_in_seconds_and_service_as_true():
    toml = parse_toppcloud_toml("[checks]\ntimeout = 2.5\n[services]\npostgres = true")
    assert toml.check.timeout_s == 2.5
    assert toml.services == (ServiceDeclaration("postgres"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[wbe]\n", "Did you mean 'web'?"),
        ("[web]\nwsgy = 'a:b'", "[web] wsgy. Did you mean 'wsgi'?"),
        ("[checks]\npaht = '/'", "Did you mean 'path'?"),
        ("[services.files]\nkep = ['a']", "Did you mean 'keep'?"),
        ("[web]\nwsgi = 'a:b'\ncommand = 'x'", "one thing"),
        ("[web]", "one thing"),
        ("[web]\nwsgi = 'a b; rm'", "[web] wsgi"),
        ("[web]\ncommand = 3", "[web] command"),
        ("web = 3", "[web]"),
        ("[services]\npostgres = 3", "postgres"),
        ("[services.files]\nkeep = ['/etc']", "'/etc'"),
        ("[services.files]\nkeep = ['a/../../b']", "'a/../../b'"),
        ("[services.files]\nkeep = ['.']", "'.'"),
        ("[services.files]\nkeep = 'media'", "keep"),
        ("[checks]\npath = 'healthz'", "path"),
        ("[checks]\npath = '/a b'", "path"),
        ("[checks]\ntimeout = 0", "timeout"),
        ("[checks]\ntimeout = true", "timeout"),
        ("[checks]\ntimeout = 'soon'", "'soon'"),
        ("[checks]\nauto_rollback = 0", "auto_rollback"),
        ("[checks]\nauto_rollback = '5m'\nauto_rollback_after = 0", "auto_rollback_after"),
        ("[checks]\nauto_rollback_after = 5", "without auto_rollback"),
        ("[web]\nwsgi = 'a:b'\nrunner = 'modwsgi'", "Did you mean 'mod_wsgi'?"),
        ("[web]\nasgi = 'a:b'\nrunner = 'mod_wsgi'", "mod_wsgi runs wsgi, and [web] says asgi"),
        ("[web]\ncommand = 'x'\nrunner = 'gunicorn'", "gunicorn runs wsgi or asgi, and [web] says command"),
        ("[web]\nrunner = 'uvicorn'", "names no callable"),
        ("[web]\nidle = 0", "a second is the least"),
        ("[web]\nidle = 'later'", "'later'"),
        ("[web]\nidle = true", "[web] idle"),
        ("[web]\nstatic = '../a'", "'../a'"),
        ("[web]\nstatic = ''", "static"),
        ("[web]\nunavailable = '/etc/passwd'", "'/etc/passwd'"),
        ("[web]\nsleeps_with = 'worker'", "sleeps_with"),
        ("[web]\nsleeps_with = ['web']", "always sleeps"),
        ("[web\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_quoted(text, said):
    with pytest.raises(ToppcloudError) as refused:
        parse_toppcloud_toml(text)
    assert said in " ".join(refused.value.lines())


def test_web_callables_become_server_commands():
    assert render_web(WebProcess("wsgi", "blog.wsgi")) == "gunicorn blog.wsgi"
    assert render_web(WebProcess("wsgi", "blog:create_app()")) == "gunicorn 'blog:create_app()'"
    assert render_web(WebProcess("asgi", "main:app")) == "gunicorn -k uvicorn_worker.UvicornWorker main:app"
    assert render_web(WebProcess("command", "waitress-serve --port $PORT a:b")) == "waitress-serve --port $PORT a:b"
