"""Whole builds with real packages, as root for the account `nobody`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from buildpacks.collectstatic import find_manage_py
from buildpacks.rebuild import rebuild_venv
from toppcloud.console import Console
from toppcloud.errors import Cancelled, ToppcloudError
from toppcloud.files import remove_tree
from toppcloud.program import find_program

pytestmark = pytest.mark.node

FLASK = {
    "requirements.txt": "itsdangerous==2.2.0\n",
    "app.py": "from flask import Flask\napp = Flask(__name__)\n",
    "lib/__init__.py": "",
    "lib/far.py": "x = 1\n",
}
MANAGE = """import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")
from django.core.management import execute_from_command_line
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
"""
SETTINGS = """import os
from pathlib import Path
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["django.contrib.staticfiles", "blog"]
STATIC_URL = "/static/"
STATIC_ROOT = Path(__file__).parent.parent / "collected"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "nowhere"}}
"""
DJANGO = {
    "requirements.txt": "django>=4.2,<5.3\n",
    "manage.py": MANAGE,
    "blog/__init__.py": "",
    "blog/settings.py": SETTINGS,
    "blog/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    "blog/static/a.css": "a {}",
}


def run_in(builder, slug, source, *words):
    """Run a program of the slug's virtualenv as a process of the app would: in `source`, which is HOME too."""
    venv = builder.app.slug(slug.id).venv
    env = {"HOME": str(source), "PATH": f"{venv}/bin:/usr/bin:/bin"}
    account = builder.node.account
    return subprocess.run(
        [venv / "bin" / words[0], *words[1:]],
        env=env,
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        **account.popen_arguments(),
    )


def test_code_only_push_reuses_the_virtualenv_and_links_what_is_equal(builder):
    first = builder.push(FLASK)
    assert first.processes == {"web": "gunicorn app:app"}
    assert "gunicorn added: not in requirements.txt" in builder.text
    assert "requirements.txt: new virtualenv, " in builder.text
    assert first.distributions["itsdangerous"] == "2.2.0"
    assert {"gunicorn", "itsdangerous"} <= set(first.distributions)
    second = builder.push({**FLASK, "app.py": FLASK["app.py"] + "y = 2\n"})
    assert "requirements.txt unchanged: virtualenv reused" in builder.text
    assert "added" not in builder.text
    assert (second.venv_key, second.distributions) == (first.venv_key, first.distributions)
    old, new = (builder.app.slug(slug.id).source for slug in (first, second))
    tag = f"cpython-{''.join(first.python_version.split('.')[:2])}"
    for name in ("lib/far.py", f"lib/__pycache__/far.{tag}.pyc", "requirements.txt"):
        assert (old / name).samefile(new / name)
    for name in ("app.py", f"__pycache__/app.{tag}.pyc"):
        assert not (old / name).samefile(new / name)
    assert first.content_hash != second.content_hash
    assert not builder.app.slug(second.id).tmp.exists()


def test_changed_requirement_makes_a_new_virtualenv_and_says_which(builder):
    first = builder.push(FLASK)
    before = sorted(p for p in builder.app.venv(first.venv_key).rglob("*"))
    changed = {**FLASK, "requirements.txt": "itsdangerous==2.1.2\nblinker==1.9.0\n"}
    second = builder.push(changed)
    assert "requirements.txt changed (+blinker 1.9.0, itsdangerous 2.2.0 -> 2.1.2): new virtualenv" in builder.text
    assert first.venv_key != second.venv_key
    assert sorted(p for p in builder.app.venv(first.venv_key).rglob("*")) == before
    third = builder.push(FLASK)
    assert third.venv_key == first.venv_key
    assert "requirements.txt as it was before: virtualenv reused" in builder.text


def test_changed_index_variable_makes_a_new_virtualenv(builder):
    keys = {builder.push(FLASK, {"PIP_EXTRA_INDEX_URL": f"file://{i}/"}).venv_key for i in ("", "/tmp")}
    assert len(keys) == 2


def test_virtualenv_works_from_where_it_is_and_cannot_be_changed(builder):
    slug = builder.push({**FLASK, "Procfile": "web: gunicorn app:app"})
    venv = builder.app.venv(slug.venv_key)
    source = builder.app.slug(slug.id).source
    assert run_in(builder, slug, source, "gunicorn", "--version").stdout.startswith("gunicorn")
    assert ".new-" not in (venv / "bin/gunicorn").read_text() + (venv / "bin/activate").read_text()
    code = "import sys; open(sys.prefix + '/lib/planted', 'w')"
    if os.geteuid() == 0:
        assert "Permission denied" in run_in(builder, slug, source, "python", "-c", code).stderr
        assert "Permission denied" in run_in(builder, slug, source, "python", "-c", "open('planted', 'w')").stderr
    else:
        assert not os.access(venv / "lib", os.W_OK) or os.stat(venv / "lib").st_mode & 0o222 == 0
    pycs = list(venv.glob("lib/python3*/site-packages/itsdangerous/__pycache__/*.pyc"))
    assert pycs
    assert pycs[0].read_bytes()[4:8] == b"\x01\0\0\0"


def test_half_made_virtualenv_of_a_killed_build_is_made_again(builder):
    key = builder.push(FLASK).venv_key
    remove_tree(builder.app.venv(key))
    (builder.app.venv(key) / "bin").mkdir(parents=True)
    slug = builder.push(FLASK)
    assert slug.venv_key.startswith(f"{key}.")
    assert (builder.app.venv(slug.venv_key) / "bin/gunicorn").exists()
    assert "new virtualenv" in builder.text


def test_unknown_package_is_refused_with_its_name(builder):
    with pytest.raises(ToppcloudError) as refused:
        builder.push({**FLASK, "requirements.txt": "toppcloud-no-such-package-at-all==1.0\n"})
    assert refused.value.reason == "installing requirements.txt failed"
    assert "toppcloud-no-such-package-at-all" in builder.text
    assert os.listdir(builder.app.venvs) == []


def test_package_that_does_not_build_is_refused_with_its_last_lines(builder):
    files = {**FLASK, "requirements.txt": "./lib\n", "lib/setup.py": "raise SystemExit('no compiler today')"}
    with pytest.raises(ToppcloudError, match=r"The packages of requirements\.txt could not be installed"):
        builder.push(files)
    assert "no compiler today" in builder.text


@pytest.mark.skipif(find_program("apxs") is not None, reason="apache2-dev is there, so nothing is missing")
def test_mod_wsgi_that_cannot_be_compiled_is_refused_with_the_package_that_it_needs(builder):
    with pytest.raises(ToppcloudError, match="could not be installed") as refused:
        builder.push({"requirements.txt": "mod_wsgi==0.0.1\n", "Procfile": "web: x\n"})
    assert "apt install apache2-dev" in refused.value.cure


def test_old_gunicorn_gets_the_setuptools_that_it_imports(builder):
    slug = builder.push({**FLASK, "requirements.txt": "gunicorn==20.1.0\n", "Procfile": "web: gunicorn app:app"})
    assert "setuptools<81 added" in builder.text
    ran = run_in(builder, slug, builder.app.slug(slug.id).source, "python", "-c", "import gunicorn.util")
    assert ran.returncode == 0, ran.stderr


PACKAGE = {
    "requirements.txt": "-e .\n",
    "Procfile": "web: blog",
    "setup.py": "from setuptools import setup\nsetup(name='blog', version='1', package_dir={'': 'src'},"
    " packages=['blog'], entry_points={'console_scripts': ['blog=blog:main']})\n",
    "src/blog/__init__.py": "def main(): print(__file__)\n",
}


def test_project_that_installs_itself_runs_its_releases_files(builder, folder):
    slug = builder.push(PACKAGE)
    assert slug.venv_key is None
    assert "a virtualenv of its own" in builder.text
    assert not builder.app.venvs.exists()
    release = folder / "release"
    shutil.copytree(builder.app.slug(slug.id).source, release)
    ran = run_in(builder, slug, release, "blog")
    assert (ran.stdout.strip(), ran.stderr) == (f"{release}/src/blog/__init__.py", "")


def test_gone_virtualenvs_are_made_again_with_the_versions_they_had(builder, folder):
    slug = builder.push({**FLASK, "requirements.txt": "itsdangerous<2.2\n"})
    layout, app = builder.app.slug(slug.id), builder.app
    assert rebuild_venv(builder.node, app, slug, layout, Console(print)) is False
    remove_tree(app.venv(slug.venv_key))
    lines = []
    assert rebuild_venv(builder.node, app, slug, layout, Console(lines.append)) is True
    assert f"was gone: made again, {len(slug.distributions)} packages" in lines[-1]
    assert (layout.venv / "bin/gunicorn").exists()
    assert rebuild_venv(builder.node, app, slug, layout, Console(print)) is False
    private = builder.push(PACKAGE)
    layout = app.slug(private.id)
    remove_tree(layout.private_venv)
    assert rebuild_venv(builder.node, app, private, layout, Console(print)) is True
    release = folder / "release"
    shutil.copytree(layout.source, release)
    assert run_in(builder, private, release, "blog").stdout.strip() == f"{release}/src/blog/__init__.py"
    assert not layout.tmp.exists()


def test_uv_lock_is_installed_as_locked_without_its_dev_group(builder, folder):
    project = (
        '[project]\nname = "blog"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = ["itsdangerous<2.2"]\n'
    )
    (folder / "pyproject.toml").write_text(project + '[dependency-groups]\ndev = ["blinker"]\n')
    from buildpacks.uv import find_uv, make_build_environment
    from toppcloud.program import run

    environment = make_build_environment(builder.node, {}, folder / "tmp")
    run([find_uv(builder.node.layout, builder.node.account), "lock"], env=environment.install, cwd=folder)
    files = {name: (folder / name).read_text() for name in ("uv.lock", "pyproject.toml")}
    slug = builder.push({**files, "app.py": FLASK["app.py"]})
    assert slug.distributions.keys() == {"gunicorn", "itsdangerous", "packaging"} & slug.distributions.keys()
    assert slug.distributions["itsdangerous"] == "2.1.2"
    assert "gunicorn added: not in uv.lock" in builder.text
    builder.push({**files, "app.py": FLASK["app.py"] + "x = 1\n"})
    assert "uv.lock unchanged: virtualenv reused" in builder.text


def test_python_that_does_not_fit_requires_python_is_refused(builder, node):
    project = '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.99"\n'
    version = builder.push(FLASK).python_version
    with pytest.raises(ToppcloudError, match=f"Python {version} is not what the project needs"):
        builder.push({**FLASK, "pyproject.toml": project, ".python-version": version})


def test_cancelled_build_leaves_no_virtualenv(builder):
    builder.cancelled_by = "ana cancelled it"
    with pytest.raises(Cancelled, match="ana cancelled it"):
        builder.push(FLASK)
    assert os.listdir(builder.app.venvs) == []


def test_static_files_are_collected_with_config_vars_and_without_a_database(builder):
    with pytest.raises(ToppcloudError) as refused:
        builder.push(DJANGO)
    assert refused.value.reason == "collectstatic failed"
    assert "KeyError: 'SECRET_KEY'" in builder.text
    slug = builder.push(DJANGO, {"SECRET_KEY": "x"})
    assert slug.processes == {"web": "gunicorn blog.wsgi"}
    assert "collectstatic: 1 file " in builder.text
    assert (builder.app.slug(slug.id).source / "collected/a.css").read_text() == "a {}"
    builder.push({**DJANGO, "blog/static/b.css": "b {}"}, {"SECRET_KEY": "x"})
    assert "collectstatic: 2 files, 1 new" in builder.text
    builder.push(DJANGO, {"SECRET_KEY": "x", "DISABLE_COLLECTSTATIC": "1"})
    assert "collectstatic: off (DISABLE_COLLECTSTATIC)" in builder.text
    settings = SETTINGS.replace("STATIC_ROOT", "OTHER")
    builder.push({**DJANGO, "blog/settings.py": settings}, {"SECRET_KEY": "x"})
    assert "collectstatic: off, STATIC_ROOT is not set" in builder.text
    settings = SETTINGS.replace('"django.contrib.staticfiles", ', "")
    builder.push({**DJANGO, "blog/settings.py": settings}, {"SECRET_KEY": "x"})
    assert "collectstatic: off, django.contrib.staticfiles is not in INSTALLED_APPS" in builder.text


def test_manage_py_is_looked_for_three_levels_down(write_project):
    source = write_project({"a/b/c/manage.py": "", "node_modules/manage.py": "", "a/b/c/d/manage.py": ""})
    assert find_manage_py(source) == source / "a/b/c/manage.py"
    assert find_manage_py(Path(source / "a/b/c/d")) == source / "a/b/c/d/manage.py"
    (source / "a/b/c/manage.py").unlink()
    assert find_manage_py(source) is None


def test_push_says_why_the_virtualenv_of_before_is_not_used_again(builder):
    builder.push(FLASK)
    builder.push({**FLASK, "Procfile": "web: uvicorn app:app\n"})
    said = "requirements.txt unchanged, but uvicorn runs it now and gunicorn does not run it any more, other packages ("
    assert said in builder.text
    builder.push({**FLASK, "Procfile": "web: uvicorn app:app\n"}, {"CFLAGS": "-O1"})
    assert "requirements.txt unchanged, but CFLAGS changed: new virtualenv" in builder.text


def test_build_without_cache_makes_another_virtualenv_and_leaves_the_one_that_releases_run_in(builder):
    first = builder.push(FLASK)
    before = builder.app.venv(first.venv_key).stat().st_ino
    builder.uses_cache = False
    fresh = builder.push(FLASK)
    assert fresh.venv_key != first.venv_key
    assert "requirements.txt unchanged, but no-cache: new virtualenv" in builder.text
    assert builder.app.venv(first.venv_key).stat().st_ino == before
    builder.uses_cache = True
    assert builder.push(FLASK).venv_key == fresh.venv_key
