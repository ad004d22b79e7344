"""Whole builds from the locks of Pipenv and Poetry, with real packages."""

import json
import shutil

import pytest

from buildpacks.pipfile_lock import hash_pipfile
from buildpacks.poetry_lock import hash_pyproject
from tests.buildpacks.test_build import run_in
from toppcloud.errors import ToppcloudError
from toppcloud.program import find_program

pytestmark = pytest.mark.node

HASHES = [
    "sha256:2c2349112351b88699d8d4b6b075022c0808887cb7ad10069318a8b0bc88db44",
    "sha256:5dbbc68b317e5e42f327f9021763545dc3fc3bfe22e6deb96aaf1fc38874156a",
]
PACKAGE = {
    "libs/billing/setup.py": (
        "from setuptools import setup\nsetup(name='billing', version='1', py_modules=['billing'])\n"
    ),
    "libs/billing/billing.py": "print(__file__)\n",
}
PIPFILE = '[packages]\nitsdangerous = "*"\nbilling = {path = "libs/billing", editable = true}\n'
POETRY = (
    '[tool.poetry]\nname = "shop"\nversion = "1"\n[tool.poetry.dependencies]\npython = ">=3.8"\nitsdangerous = "*"\n'
)


def pipenv(default):
    lock = {"_meta": {"hash": {"sha256": hash_pipfile(PIPFILE)[0]}, "sources": []}, "default": default}
    return {"Procfile": "web: x\n", "Pipfile": PIPFILE, "Pipfile.lock": json.dumps(lock)}


def poetry(packages, pyproject=POETRY):
    metadata = f'[metadata]\nlock-version = "2.1"\ncontent-hash = "{hash_pyproject(pyproject, "")}"\n'
    return {"Procfile": "web: x\n", "pyproject.toml": pyproject, "poetry.lock": packages + metadata}


def test_pipfile_lock_is_installed_as_locked_and_its_folders_follow_the_release(builder, folder):
    default = {
        "itsdangerous": {"version": "==2.1.2", "hashes": HASHES},
        "billing": {"path": "./libs/billing", "editable": True},
        "colorama": {"version": "==0.4.6", "markers": "sys_platform == 'win32'"},
    }
    slug = builder.push({**pipenv(default), **PACKAGE})
    assert slug.manager == "pipenv"
    assert {"itsdangerous": "2.1.2", "billing": "1"}.items() <= slug.distributions.items()
    assert "colorama" not in slug.distributions
    release = folder / "release"
    shutil.copytree(builder.app.slug(slug.id).source, release)
    ran = run_in(builder, slug, release, "python", "-c", "import billing")
    assert ran.stdout.strip() == f"{release}/libs/billing/billing.py"


LOCKED = """
[[package]]
name = "itsdangerous"
version = "2.1.2"
groups = ["main"]
files = [{file = "itsdangerous-2.1.2-py3-none-any.whl", hash = "HASH"}]
[[package]]
name = "iniconfig"
version = "2.0.0"
groups = ["dev"]
files = []
"""


def test_poetry_lock_is_installed_without_its_other_groups_and_used_again(builder):
    files = poetry(LOCKED.replace("HASH", HASHES[0]))
    slug = builder.push(files)
    assert (slug.manager, slug.distributions["itsdangerous"]) == ("poetry", "2.1.2")
    assert "iniconfig" not in slug.distributions
    builder.push({**files, "new.py": ""})
    assert "poetry.lock unchanged: virtualenv reused" in builder.text


def test_project_of_poetry_installs_itself(builder, folder):
    pyproject = POETRY + '[tool.poetry.scripts]\nshop = "shop:main"\n[build-system]\nrequires = ["poetry-core"]\n'
    pyproject += 'build-backend = "poetry.core.masonry.api"\n'
    files = {
        **poetry(LOCKED.replace("HASH", HASHES[0]), pyproject),
        "shop/__init__.py": "def main(): print(__file__)\n",
    }
    slug = builder.push(files)
    assert slug.venv_key is None
    release = folder / "release"
    shutil.copytree(builder.app.slug(slug.id).source, release)
    assert run_in(builder, slug, release, "shop").stdout.strip() == f"{release}/shop/__init__.py"


def test_project_of_an_old_poetry_is_installed_though_not_in_place(builder):
    pyproject = POETRY + '[tool.poetry.scripts]\nshop = "shop:main"\n[build-system]\nrequires = ["poetry-core"]\n'
    pyproject += 'build-backend = "poetry.masonry.api"\nbackend-path = ["tools"]\n'
    files = {
        **poetry(LOCKED.replace("HASH", HASHES[0]), pyproject),
        "tools/poetry/masonry/api.py": "from poetry.core.masonry.api import build_wheel\n",
        "shop/__init__.py": "def main(): print('open')\n",
    }
    slug = builder.push(files)
    assert slug.venv_key is None
    assert run_in(builder, slug, builder.app.slug(slug.id).source, "shop").stdout.strip() == "open"


def test_project_without_a_package_is_told_how_to_say_so_and_no_other(builder):
    pyproject = POETRY + '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
    with pytest.raises(ToppcloudError) as refused:
        builder.push(poetry(LOCKED.replace("HASH", HASHES[0]), pyproject))
    assert "package-mode = false" in refused.value.cure
    with pytest.raises(ToppcloudError) as refused:
        builder.push({**poetry(LOCKED.replace("HASH", f"sha256:{'0' * 64}"), pyproject), "shop.py": ""})
    assert "package-mode" not in refused.value.cure


def test_package_with_another_hash_is_refused(builder):
    with pytest.raises(ToppcloudError, match=r"The packages of poetry\.lock could not be installed"):
        builder.push(poetry(LOCKED.replace("HASH", f"sha256:{'0' * 64}")))


def test_index_that_needs_an_absent_config_var_is_refused_by_name(builder):
    sources = [{"name": "mine", "url": "https://me:${PYPI_TOKEN}@127.0.0.1:9/simple", "verify_ssl": True}]
    files = pipenv({"x": {"version": "==1", "index": "mine"}})
    lock = json.loads(files["Pipfile.lock"])
    lock["_meta"]["sources"] = sources
    with pytest.raises(ToppcloudError) as refused:
        builder.push({**files, "Pipfile.lock": json.dumps(lock)})
    assert refused.value.cure == "Type: toppcloud config:set PYPI_TOKEN=…"


def test_password_of_an_index_is_shown_nowhere(builder):
    sources = [{"name": "mine", "url": "https://me:${PYPI_TOKEN}@127.0.0.1:9/simple", "verify_ssl": True}]
    files = pipenv({"x": {"version": "==1", "index": "mine"}})
    lock = json.loads(files["Pipfile.lock"])
    lock["_meta"]["sources"] = sources
    with pytest.raises(ToppcloudError) as refused:
        builder.push({**files, "Pipfile.lock": json.dumps(lock)}, {"PYPI_TOKEN": "hunter2", "UV_HTTP_RETRIES": "0"})
    said = [builder.text, *refused.value.lines(), *refused.value.output]
    assert "127.0.0.1:9" in builder.text
    assert "hunter2" not in "\n".join(said)


def test_line_that_is_no_requirement_is_quoted_with_its_number(builder):
    with pytest.raises(ToppcloudError) as refused:
        builder.push({"Procfile": "web: x\n", "requirements.txt": "itsdangerous\nno-requirement!\n"})
    assert "requirements.txt, line 2: no-requirement!" in refused.value.why


@pytest.mark.skipif(find_program("git") is None, reason="uv fetches repositories with git")
@pytest.mark.parametrize("line", ["{}#egg=x", "-e {}#egg=x", "x @ {}"])
def test_unreachable_repository_is_named_without_its_password(builder, line):
    address = "git+https://me:hunter2@127.0.0.1:9/me/x.git@1f3a9c41f3a9c41f3a9c41f3a9c41f3a9c41f3a9"
    with pytest.raises(ToppcloudError) as refused:
        builder.push({"Procfile": "web: x\n", "requirements.txt": line.format(address) + "\n"})
    assert "The repository https://127.0.0.1:9/me/x.git could not be fetched" in refused.value.why
    assert "hunter2" not in "\n".join([builder.text, *refused.value.lines(), *refused.value.output])


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({".venv/pyvenv.cfg": ""}, "committed virtualenv"),
        ({".heroku/python/bin/python": ""}, "committed .heroku/python"),
        ({"uv.lock": ""}, "several lists of dependencies"),
    ],
)
def test_what_nobody_should_push_is_refused_before_anything_is_installed(builder, files, reason):
    with pytest.raises(ToppcloudError) as refused:
        builder.push({"Procfile": "web: x\n", "requirements.txt": "itsdangerous\n", **files})
    assert refused.value.reason == reason
    assert not builder.app.venvs.exists()
