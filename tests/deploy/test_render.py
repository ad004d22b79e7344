from __future__ import annotations

import configparser
import os
import runpy
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.workers.sync import SyncWorker
from jinja2 import UndefinedError
from supervisor.options import UnhosedConfigParser

from deploy.render import quote_command, render_gunicorn_conf, render_program, render_template
from toppcloud.errors import ToppcloudError

HOSTILE = [
    "plain",
    "two words",
    "per%cent",
    "%(here)s",
    "semi ;colon",
    "quote'd",
    'double"d',
    "$(id)",
    "a\\b",
    "# no",
    "two # words",
    "a ;#b",
    "\u00e9",
]


def test_program_as_it_is_written() -> None:
    assert render_program("blog.web.1.v12.2", ["/usr/bin/python3", "x.json"], drain_s=32, stop_group=False) == (
        "[program:blog.web.1.v12.2]\n"
        "command=/usr/bin/python3 x.json\n"
        "directory=/\n"
        "autostart=false\n"
        "autorestart=true\n"
        "startsecs=0\n"
        "stopsignal=TERM\n"
        "stopwaitsecs=32\n"
        "stopasgroup=false\n"
        "killasgroup=true\n"
        "stdout_logfile=NONE\n"
        "stderr_logfile=NONE\n"
    )


@pytest.mark.parametrize("word", HOSTILE)
def test_supervisord_reads_hostile_words_as_they_are(word: str) -> None:
    parser = UnhosedConfigParser()
    parser.expansions = {"here": "WRONG"}
    parser.read_string(render_program("blog.web.1.v1.1", ["python", word], drain_s=1, stop_group=True))
    command = parser.saneget("program:blog.web.1.v1.1", "command")
    assert shlex.split(command) == ["python", word]


def test_a_line_break_in_a_path_is_refused() -> None:
    with pytest.raises(ToppcloudError):
        quote_command(["python", "a\nb"])


@pytest.mark.parametrize("word", [*HOSTILE, "line\nbreak", '"""', "\\"])
def test_gunicorn_conf_reads_hostile_paths_as_they_are(tmp_path: Path, word: str) -> None:
    folder = tmp_path / word.replace("/", "_")
    folder.mkdir()
    own = folder / "own.py"
    own.write_text("workers = 7\ngraceful_timeout = 1\n")
    conf = tmp_path / "gunicorn.conf.py"
    conf.write_text(render_gunicorn_conf(f"blog.web {word}", app_config=str(own), drain_s=30))
    values = runpy.run_path(str(conf))
    assert values["workers"] == 7
    assert values["graceful_timeout"] == 30
    assert values["control_socket_disable"] is True


@pytest.mark.parametrize(("own", "workers"), [("", 6), ("workers = 5", 15)])
def test_scaled_gunicorn_has_so_many_times_the_workers_that_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, workers: int
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    (tmp_path / "own.py").write_text(own)
    conf = tmp_path / "gunicorn.conf.py"
    conf.write_text(render_gunicorn_conf("blog.web", app_config=str(tmp_path / "own.py"), drain_s=30, times=3))
    assert runpy.run_path(str(conf))["workers"] == workers


def test_gunicorn_conf_gives_an_address_where_the_socket_has_none(tmp_path: Path) -> None:
    conf = tmp_path / "gunicorn.conf.py"
    conf.write_text(render_gunicorn_conf("blog.web", app_config=None, drain_s=30))
    seen: list[str] = []
    worker = SyncWorker.__new__(SyncWorker)
    worker.wsgi = lambda environ, _start: seen.append(environ["REMOTE_ADDR"])
    post_worker_init = runpy.run_path(str(conf))["post_worker_init"]
    post_worker_init(worker)
    worker.wsgi({"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "10.0.0.9"}, None)
    worker.wsgi({"REMOTE_ADDR": ""}, None)
    worker.wsgi({"REMOTE_ADDR": "10.1.1.1", "HTTP_X_FORWARDED_FOR": "10.0.0.9"}, None)
    assert seen == ["10.0.0.9", "127.0.0.1", "10.1.1.1"]
    asgi = SimpleNamespace(wsgi="an ASGI callable")
    post_worker_init(asgi)
    assert asgi.wsgi == "an ASGI callable"


def test_a_template_with_a_name_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_template("program.ini.j2", program="x")


def test_plain_parsers_agree() -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(render_program("a.web.1.v1.1", ["x"], drain_s=1, stop_group=True))
    assert parser["program:a.web.1.v1.1"]["stopasgroup"] == "true"
    assert os.linesep == "\n"
