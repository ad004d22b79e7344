"""bin/post_compile and the virtualenv: what it installs is this slug's alone, and other releases' is never touched."""

from __future__ import annotations

import os
import subprocess

import pytest

from buildpacks.virtualenv import collect_unused_venvs, read_virtualenv
from tests.tiny_wheel import make_wheel
from toppcloud.errors import ToppcloudError
from toppcloud.files import remove_tree

FLASK = {"requirements.txt": "itsdangerous==2.1.2\n", "app.py": "x = 1\n", "Procfile": "worker: python app.py\n"}
INSTALLS = "#!/bin/sh\nset -e\nsite=$(python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')\n"
ADDS = INSTALLS + 'mkdir "$site/extra-1.0.dist-info"\necho "answer = 42" > "$site/extra.py"\n'
ALTERS = INSTALLS + 'echo "altered = True" >> "$site/itsdangerous/__init__.py"\n'


def with_hook(text: str) -> dict[str, object]:
    return {**FLASK, "bin/post_compile": (0o100755, text)}


def ask(builder, slug, code: str) -> str:
    python = builder.app.slug(slug.id).venv / "bin/python"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_hook_that_installs_gets_a_copy_and_the_shared_one_stays(builder):
    shared = builder.push(FLASK)
    slug = builder.push(with_hook(ADDS))
    assert slug.venv_key is None
    assert slug.distributions == {"extra": "1.0", "itsdangerous": "2.1.2"}
    assert "it changed the virtualenv (+extra 1.0): this release has a copy of its own" in builder.text
    assert ask(builder, slug, "import extra; print(extra.answer)") == "42"
    assert not list(builder.app.venv(shared.venv_key).rglob("extra.py"))
    venv = builder.app.slug(slug.id).private_venv
    assert not os.access(venv / "lib", os.W_OK) or venv.stat().st_uid == 0 or venv.stat().st_mode & 0o222 == 0
    assert list(venv.rglob("extra.*.pyc"))
    assert builder.push(FLASK).venv_key == shared.venv_key


def test_shared_one_is_kept_for_the_next_push_as_long_as_a_copy_of_it_is_used(builder):
    slug = builder.push(with_hook(ADDS))
    collect_unused_venvs(builder.app, set())
    assert builder.push(with_hook(ADDS)).venv_key is None
    assert "virtualenv reused" in builder.text
    remove_tree(builder.app.slug(slug.id).folder)
    remove_tree(builder.app.slug(builder.previous.id).folder)
    collect_unused_venvs(builder.app, set())
    assert not list(builder.app.venvs.iterdir())


def test_hook_leaves_nothing_open_and_nothing_in_place_of_the_record(builder):
    opens = 'rm -f "$VIRTUAL_ENV/toppcloud.json"\nmkdir "$VIRTUAL_ENV/toppcloud.json"\nchmod -R 777 "$VIRTUAL_ENV"\n'
    slug = builder.push(with_hook(ADDS + opens))
    venv = builder.app.slug(slug.id).private_venv
    assert read_virtualenv(venv, None).distributions == slug.distributions
    assert not [folder for folder, _, _ in os.walk(venv) if os.stat(folder).st_mode & 0o022]


def test_folders_that_are_too_deep_are_refused(builder):
    hook = "#!/usr/bin/python3\nimport os\nos.chdir(os.environ['VIRTUAL_ENV'])\n"
    hook += "for _ in range(1500):\n    os.mkdir('a')\n    os.chdir('a')\n"
    if builder.node.account.is_self:
        pytest.skip("only root takes the folders over")
    with pytest.raises(ToppcloudError, match="too deep"):
        builder.push(with_hook(hook))


def test_hook_that_says_pip_finds_it(builder):
    hook = with_hook("#!/bin/sh\npip install --no-index extra-1.0-py3-none-any.whl\n")
    slug = builder.push({**hook, "extra-1.0-py3-none-any.whl": make_wheel("extra")})
    assert slug.distributions.keys() == {"extra", "itsdangerous", "pip"}
    assert ask(builder, slug, "import extra; print(extra.answer)") == "42"
    slug = builder.push(with_hook("#!/bin/sh\n# no need of pip\n"))
    assert slug.distributions.keys() == {"itsdangerous"}
    assert slug.venv_key is not None


def test_file_that_a_hook_writes_into_is_altered_in_the_copy_only(builder):
    shared = builder.push(FLASK)
    slug = builder.push(with_hook(ALTERS))
    assert slug.venv_key is None
    assert ask(builder, slug, "import itsdangerous; print(itsdangerous.altered)") == "True"
    assert ask(builder, shared, "import itsdangerous; print(hasattr(itsdangerous, 'altered'))") == "False"


def test_hook_that_leaves_the_virtualenv_alone_costs_no_copy(builder):
    slug = builder.push(with_hook("#!/bin/sh\npython -c 'import itsdangerous, app'\nwhich python > where\n"))
    assert slug.venv_key is not None
    layout = builder.app.slug(slug.id)
    assert not layout.private_venv.exists()
    assert layout.venv.resolve() == builder.app.venv(slug.venv_key)
    assert (layout.source / "where").read_text().strip() == f"{layout.venv}/bin/python"


def test_hook_may_install_into_a_virtualenv_that_was_the_slugs_own_already(builder):
    project = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    files = {
        **with_hook(ADDS),
        "requirements.txt": "-e .\n",
        "pyproject.toml": project
        + '[project]\nname = "blog"\nversion = "1"\n[tool.setuptools]\npy-modules = ["app"]\n',
    }
    slug = builder.push(files)
    assert slug.distributions.keys() >= {"blog", "extra"}
    assert ask(builder, slug, "import extra; print(extra.answer)") == "42"


def test_failing_hook_leaves_the_shared_one_as_it_was(builder):
    shared = builder.push(FLASK)
    with pytest.raises(ToppcloudError) as refused:
        builder.push(with_hook(ADDS + "exit 3\n"))
    assert refused.value.reason == "bin/post_compile failed"
    assert not list(builder.app.venv(shared.venv_key).rglob("extra.py"))
