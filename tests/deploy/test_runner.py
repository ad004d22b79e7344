"""What is run instead of a line, for the servers that need something of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.command_text import parse_command, split_raw
from deploy.mod_wsgi import Httpd, find_httpd, render_httpd
from deploy.runner import _BIND, Place, Runner, choose_runner, choose_worker_runner, drop_option
from toppcloud.errors import ToppcloudError


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("source", "start"):
        (tmp_path / name).mkdir()
    return Place("blog.web.1.v1.1", tmp_path / "source", tmp_path / "start", tmp_path / "tmp", None, "3.11.2")


def choose(text: str, place: Place) -> Runner:
    return choose_runner(parse_command(text), place, ())


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("uvicorn a:b --port $PORT", ("uvicorn", "a:b", "--port", "\0", "--fd", "3")),
        ("python3.12 -m uvicorn a:b", ("python3.12", "-m", "uvicorn", "a:b", "--fd", "3")),
        ("DEBUG=1 uvicorn a:b", ("/bin/bash", "-c", "DEBUG=1 exec uvicorn a:b --fd 3")),
        ("uvicorn --uds app.sock a:b", ("uvicorn", "a:b", "--fd", "3")),
        ('uvicorn a:b --uds="$HOME/x" --reload', ("uvicorn", "a:b", "--reload", "--fd", "3")),
        ("true && uvicorn a:b", ("/bin/bash", "-c", "true && uvicorn a:b")),
        ("node server.js", ("node", "server.js")),
    ],
)
def test_uvicorn_is_given_the_descriptor(place: Place, text: str, argv: tuple[str, ...]) -> None:
    assert choose(text, place).argv == argv


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("hypercorn --bind 0.0.0.0:$PORT a:b", "hypercorn a:b"),
        ("hypercorn -b :1 -b:2 --bind=:3 a:b", "hypercorn a:b"),
        ("hypercorn --bind \"0.0.0.0:${PORT:-80 }\" 'a:b' --backlog 5", "hypercorn 'a:b' --backlog 5"),
        ("hypercorn a:b --bind", "hypercorn a:b"),
    ],
)
def test_hypercorns_own_binds_go(text: str, kept: str) -> None:
    assert " ".join(drop_option(split_raw(text), _BIND)) == kept


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("hypercorn a:b", "a:b"),
        ("hypercorn --reload 'a:make(1, 2)'", "a:make(1, 2)"),
        ("bin/hypercorn -w 2 -k uvloop --backlog=5 a.b", "a.b"),
        ("python -m hypercorn --workers 2 wsgi:a:b", "wsgi:a:b"),
        ("hypercorn $APP", None),
    ],
)
def test_hypercorns_app_is_wrapped(place: Place, text: str, target: str | None) -> None:
    runner = choose(text, place)
    wrapped = runner.files.get("hypercorn_app.py")
    assert (wrapped is None) == (target is None)
    if wrapped and target:
        assert f"load_application({target!r}, " in wrapped
        mode = "wsgi:" if target.startswith("wsgi:") else ""
        assert f"{mode}{place.folder / 'hypercorn_app.py'}:app" in runner.argv


@pytest.mark.parametrize(
    ("text", "stops_group"),
    [
        ("bash start.sh", True),
        ("sh -e start.sh now", True),
        ("./start", True),
        ("./program", False),
        ("bash", False),
        ("sh missing.sh", False),
        ("a; b", True),
        ("python start.sh", False),
    ],
)
def test_scripts_are_stopped_as_a_group(place: Place, text: str, stops_group: bool) -> None:
    (place.source / "start.sh").write_text("node server.js\n")
    (place.source / "start").write_text("#!/usr/bin/env bash\nnode server.js\n")
    (place.source / "program").write_text("#!/usr/bin/env node\n")
    assert choose(text, place).stops_group is stops_group
    assert choose_worker_runner(parse_command(text), place).stops_group is stops_group


@pytest.mark.parametrize(
    ("text", "takes_socket"),
    [
        ("bundle exec puma -C config/puma.rb", False),
        ("bin/rails server", False),
        ("ruby app.rb -p $PORT", False),
        ("rake migrate && ./serve", False),
        ("node ruby.js", True),
        ("./serve --name rails-like", True),
    ],
)
def test_ruby_is_given_no_socket_since_puma_would_remove_its_path(place: Place, text: str, takes_socket: bool) -> None:
    assert choose(text, place).takes_socket is takes_socket


def test_children_of_npm_are_stopped_with_it(place: Place) -> None:
    assert choose("npm start", place).stops_group
    assert not choose("node server.js", place).stops_group


@pytest.mark.parametrize("text", ["uwsgi --http :$PORT", "sh start.sh", "true && .venv/bin/uwsgi x.ini"])
def test_uwsgi_is_given_no_socket_and_ends_on_sigterm(place: Place, text: str) -> None:
    (place.source / "start.sh").write_text("exec uwsgi --ini uwsgi.ini\n")
    runner = choose(text, place)
    assert not runner.takes_socket
    assert runner.environment == {"UWSGI_DIE_ON_TERM": "1"}


def test_mod_wsgi_of_another_python_is_refused_with_what_to_do(tmp_path: Path) -> None:
    program = tmp_path / "apache2"
    (tmp_path / "mod_wsgi.so-3.11").touch()
    with pytest.raises(ToppcloudError, match="needs Apache"):
        find_httpd(None, "3.11.2", (tmp_path, program))
    program.touch()
    assert find_httpd(None, "3.11.2", (tmp_path, program)).mod_wsgi.name == "mod_wsgi.so-3.11"
    with pytest.raises(ToppcloudError) as refused:
        find_httpd(None, "3.12.1", (tmp_path, program))
    assert "3.11" in refused.value.what
    assert "3.12" in refused.value.what
    assert "Write 3.11 into .python-version" in refused.value.cure


def test_mod_wsgi_of_the_apps_own_counts_first(tmp_path: Path) -> None:
    own = tmp_path / "venv/lib/python3.12/site-packages/mod_wsgi/server/mod_wsgi-py312.cpython-312-x86_64-linux-gnu.so"
    own.parent.mkdir(parents=True)
    own.touch()
    program = tmp_path / "apache2"
    program.touch()
    found = find_httpd(tmp_path / "venv", "3.12.1", (tmp_path, program))
    assert (found.mod_wsgi, found.program) == (own, program)
    bundled = own.parents[2] / "mod_wsgi_packages/httpd/bin/httpd"
    bundled.parent.mkdir(parents=True)
    bundled.touch()
    assert find_httpd(tmp_path / "venv", "3.12.1", (tmp_path, program)).program == bundled


def test_apache_of_standalone_mod_wsgi_loads_what_debians_has_built_in(place: Place) -> None:
    files = render_httpd(
        Httpd(Path("/v/httpd"), Path("/v/modules"), Path("/v/mod_wsgi.so")),
        ["a:b"],
        place.program,
        place.source,
        place.folder / "httpd.conf",
        place.tmp,
        None,
    )
    before, after = files["httpd.conf"].split('LoadModule unixd_module "/v/modules/mod_unixd.so"')
    assert "<IfModule !mod_unixd.c>" in before.rpartition("LoadModule")[2]
    assert after.lstrip().startswith("</IfModule>")


@pytest.mark.parametrize("word", ['a"b', "$HOME", "a\nb"])
def test_mod_wsgi_refuses_a_path_that_apache_would_read_otherwise(place: Place, tmp_path: Path, word: str) -> None:
    if not Path("/usr/lib/apache2/modules/mod_wsgi.so-3.11").exists():
        pytest.skip("needs Debian's package libapache2-mod-wsgi-py3")
    strange = Place(place.program, tmp_path / word, place.folder, place.tmp, None, "3.11.2")
    with pytest.raises(ToppcloudError):
        choose("mod_wsgi a:b", strange)
