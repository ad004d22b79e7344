"""What a virtualenv is made of and told by, without making one."""

import os
import stat

import pytest

from buildpacks.distributions import describe_changes, read_distributions
from buildpacks.editable import render_finder, render_pth
from buildpacks.framework_needs import choose_missing, choose_servers, choose_unnamed
from buildpacks.uv import BuildEnvironment, find_uv, hide_credentials, make_build_environment
from buildpacks.virtualenv import collect_unused_venvs, read_virtualenv, relocate_scripts
from toppcloud.app_layout import AppLayout
from toppcloud.build_variables import choose_build_variables, read_build_variables, record_build_variables
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings


def test_distributions_are_read_from_folder_names(tmp_path):
    packages = tmp_path / "lib/python3.12/site-packages"
    for name in ("Flask_SQLAlchemy-3.1.1.dist-info", "zope.interface-7.0.dist-info", "blog"):
        (packages / name).mkdir(parents=True)
    assert read_distributions(tmp_path) == {"flask-sqlalchemy": "3.1.1", "zope-interface": "7.0"}


def test_changes_are_told_in_one_line():
    old = {"django": "5.2.8", "six": "1"}
    new = {"django": "5.2.9", "httpx": "0.28.1"}
    assert describe_changes(old, new) == "+httpx 0.28.1, django 5.2.8 -> 5.2.9, -six"
    assert describe_changes({}, {str(n): "1" for n in range(9)}).endswith(", 4 more")
    assert describe_changes(old, old) == ""


@pytest.mark.parametrize(
    ("commands", "servers"),
    [
        (["gunicorn blog.wsgi"], ("gunicorn",)),
        (["true && bin/gunicorn x"], ("gunicorn",)),
        (["gunicorn -k uvicorn_worker.UvicornWorker a:b"], ("gunicorn", "uvicorn-worker")),
        (["uvicorn a:b --port $PORT", "python gunicorn_metrics.py"], ("uvicorn",)),
        (["python -m hypercorn a:b"], ("hypercorn",)),
        (["mod_wsgi a:b", "python uvicorn_metrics.py"], ()),
    ],
)
def test_servers_of_commands(commands, servers):
    assert choose_servers(commands) == servers


def test_what_is_missing_is_added_once():
    assert choose_missing(["gunicorn"], {}) == ("gunicorn",)
    assert choose_missing(["gunicorn"], {"gunicorn": "23.0.0"}) == ()
    assert choose_missing(["gunicorn"], {"gunicorn": "20.1.0"}) == ("setuptools<81",)
    assert choose_missing([], {"flask": "1.1.4", "setuptools": "82.0"}) == ("setuptools<81",)
    assert choose_missing([], {"flask": "1.1.4", "setuptools": "65.1"}) == ()
    assert choose_unnamed(["gunicorn"], frozenset()) == ("gunicorn",)
    assert choose_unnamed(["gunicorn"], frozenset({"gunicorn"})) == ()
    assert choose_unnamed(["gunicorn"], None) == ()


def test_editable_paths_follow_the_running_release(tmp_path, monkeypatch):
    rendered = render_pth("/slug/source/src\n/other/place\nimport x\n", "/slug/source").split("\n")
    assert rendered[1:] == ["/other/place", "import x", ""]
    monkeypatch.setenv("HOME", "/release")
    monkeypatch.setattr("sys.path", [])
    exec(rendered[0])
    exec(render_pth("/slug/source", "/slug/source"))
    import sys

    assert sys.path == ["/release/src", "/release"]


def test_finder_of_setuptools_follows_the_running_release(monkeypatch):
    text = "MAPPING = {'a': '/slug/source/src/a', 'b': \"/slug/source\", 'c': '/slug/source2/c'}"
    namespace = {}
    monkeypatch.setenv("HOME", "/release")
    exec(render_finder(text, "/slug/source"), namespace)
    assert namespace["MAPPING"] == {"a": "/release/src/a", "b": "/release", "c": "/slug/source2/c"}


def test_scripts_get_the_final_path_and_binaries_stay(tmp_path):
    old, new = tmp_path / ".new-0123456789a", tmp_path / "0123456789abcdef"
    (old / "bin").mkdir(parents=True)
    (old / "bin/flask").write_text(f"#!{old}/bin/python\nimport x\n")
    (old / "bin/activate").write_text(f"VIRTUAL_ENV='{old}'")
    (old / "bin/ruff").write_bytes(b"\x7fELF" + os.fsencode(old))
    (old / "bin/python").symlink_to("/usr/bin/python3")
    relocate_scripts(old, old, new)
    assert (old / "bin/flask").read_text() == f"#!{new}/bin/python\nimport x\n"
    assert (old / "bin/activate").read_text() == f"VIRTUAL_ENV='{new}'"
    assert os.fsencode(old) in (old / "bin/ruff").read_bytes()
    assert stat.S_IMODE((old / "bin/flask").stat().st_mode) == 0o755


def test_unused_virtualenvs_go_and_linked_ones_stay(tmp_path):
    app = AppLayout(tmp_path / "blog")
    for name in ("used", "linked", "unused", ".new-killed", ".gone-1"):
        (app.venvs / name / "lib").mkdir(parents=True)
    (app.slugs / "a").mkdir(parents=True)
    app.slug("a").venv.symlink_to("../../venvs/linked")
    collect_unused_venvs(app, {"used"})
    assert sorted(os.listdir(app.venvs)) == ["linked", "used"]


def test_half_made_virtualenv_is_none(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3")
    assert read_virtualenv(tmp_path, "key") is None
    (tmp_path / "toppcloud.json").write_text('{"distributions": {}, "added": []}')
    assert read_virtualenv(tmp_path, "key") is not None
    (tmp_path / "bin/python").unlink()
    (tmp_path / "bin/python").symlink_to("/gone/python3")
    assert read_virtualenv(tmp_path, "key") is None


def test_credentials_are_not_shown():
    assert (
        hide_credentials("error: https://ana:s3cret@example.com/simple/x") == "error: https://***@example.com/simple/x"
    )


def test_build_environment_is_made_and_not_inherited(folder, account, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("SECRET_OF_THE_NODE", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example.com/simple")
    node = Node(Layout(folder), NodeSettings(), account)
    variables = {"PYTHONPATH": "x", "UV_CACHE_DIR": "/evil", "PIP_FIND_LINKS": "a b", "SECRET": "1", "HOME": "/evil"}
    environment = make_build_environment(node, variables, folder / "tmp")
    for given in (environment.install, environment.app):
        assert "PYTHONDONTWRITEBYTECODE" not in given
        assert "SECRET_OF_THE_NODE" not in given
    assert environment.install["UV_DEFAULT_INDEX"] == "https://index.example.com/simple"
    assert environment.install["UV_FIND_LINKS"] == "a,b"
    assert environment.install["UV_CACHE_DIR"] == str(folder / "cache/uv")
    assert environment.install["HOME"] == str(folder / "cache/home")
    assert "PYTHONPATH" not in environment.install
    assert environment.app["PYTHONPATH"] == "x"
    assert (folder / "tmp").stat().st_uid == account.uid


def test_variables_that_decide_an_installation_are_keyed():
    given = {"UV_INDEX": "a", "CFLAGS": "-O0", "TOKEN": "t", "SECRET_KEY": "s", "UV_CACHE_DIR": "c", "PG_CONFIG": "p"}
    keyed = BuildEnvironment(given, {}).keyed(frozenset({"TOKEN"}))
    assert keyed == {"UV_INDEX": "a", "CFLAGS": "-O0", "TOKEN": "t", "PG_CONFIG": "p"}


def test_uv_is_copied_where_the_account_can_reach_it(folder, account, monkeypatch):
    if account.is_self:
        pytest.skip("only root runs pushed code as somebody else")
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "uv").write_text("#!/bin/sh\n")
    (closed / "uv").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(closed / "python"))
    found = find_uv(Layout(folder), account)
    assert found.parent == folder / "cache/bin"
    assert account.find_closed(found) is None
    assert find_uv(Layout(folder), account) == found


def test_operators_variables_are_recorded_once_and_read_back(tmp_path):
    layout = Layout(tmp_path)
    environ = {"PIP_INDEX_URL": 'https://a:"b\\c"@x/', "PATH": "/bin", "SECRET": "1", "UV_INDEX": ""}
    record_build_variables(layout, environ)
    assert read_build_variables(layout, {}) == {"PIP_INDEX_URL": 'https://a:"b\\c"@x/', "PATH": "/bin"}
    assert stat.S_IMODE(layout.build_env.stat().st_mode) == 0o600
    record_build_variables(layout, {"PATH": "/other"})
    assert read_build_variables(layout, {})["PATH"] == "/bin"
    assert choose_build_variables({"HOME": "/h", "AWS_SECRET": "1", "https_proxy": "p"}) == {
        "HOME": "/h",
        "https_proxy": "p",
    }
