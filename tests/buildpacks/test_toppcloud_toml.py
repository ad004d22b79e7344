import pytest

from buildpacks.processes import render_web
from buildpacks.toppcloud_toml import WebProcess, parse_toppcloud_toml
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Check, ServiceDeclaration


def test_everything_it_can_say():
    toml = parse_toppcloud_toml("""
[web]
wsgi = "blog.wsgi:application"
[services]
redis = false
[services.postgres]
scheme = "postgres"
[services.files]
keep = ["media/", "db.sqlite3", "media"]
[checks]
path = "/healthz?full=1"
timeout = "90s"
""")
    assert toml.web == WebProcess("wsgi", "blog.wsgi:application")
    assert toml.services == (ServiceDeclaration("postgres", {"scheme": "postgres"}),)
    assert toml.kept_paths == ("media", "db.sqlite3")
    assert toml.check == Check("/healthz?full=1", 90.0)


def test_empty_file_says_nothing():
    toml = parse_toppcloud_toml("")
    assert (toml.web, toml.services, toml.kept_paths, toml.check) == (None, (), (), Check())


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
