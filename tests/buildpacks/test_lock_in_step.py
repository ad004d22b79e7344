import json
import tomllib

import pytest

from buildpacks.detection import detect
from buildpacks.lock_in_step import compare_uv, refuse_out_of_step
from buildpacks.pipfile_lock import hash_pipfile
from buildpacks.poetry_lock import hash_pyproject
from toppcloud.errors import ToppcloudError

PIPFILE = '[packages]\nflask = "*"\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.9"\nflask = "*"\n'


def check(source):
    refuse_out_of_step(source, detect(source))


@pytest.mark.parametrize("age", range(3))
def test_pipfile_that_was_changed_is_named_with_what_it_asks_for(write_project, age):
    lock = {"_meta": {"hash": {"sha256": hash_pipfile(PIPFILE)[age]}, "sources": []}, "default": {"flask": "==3"}}
    source = write_project({"Pipfile": PIPFILE, "Pipfile.lock": json.dumps(lock)})
    check(source)
    (source / "Pipfile").write_text(PIPFILE + 'urllib3 = "*"\n')
    with pytest.raises(ToppcloudError, match=r"Pipfile\.lock is out of step with Pipfile") as refused:
        check(source)
    assert "it asks for urllib3." in refused.value.why
    assert refused.value.cure.startswith("Type: pipenv lock && git add Pipfile.lock")


def test_pyproject_of_poetry_that_was_changed(write_project):
    lock = f'[[package]]\nname = "Flask"\nversion = "3"\n[metadata]\ncontent-hash = "{hash_pyproject(POETRY, "")}"\n'
    source = write_project({"pyproject.toml": POETRY, "poetry.lock": lock})
    check(source)
    (source / "pyproject.toml").write_text(POETRY + 'httpx = "*"\n[tool.ruff]\n')
    with pytest.raises(ToppcloudError) as refused:
        check(source)
    assert "it asks for httpx." in refused.value.why
    (source / "pyproject.toml").write_text(POETRY + "[tool.ruff]\nline-length = 100\n")
    check(source)


UV = """
requires-python = ">=3.9, <4"
[[package]]
name = "flask"
version = "3"
[[package]]
name = "my-blog"
source = { virtual = "." }
dependencies = [{ name = "flask" }]
[package.metadata]
requires-dist = [
    { name = "flask", extras = ["async"], specifier = ">=3.0,<4" },
    { name = "my-blog", extras = ["pg"], marker = "extra == 'all'" },
    { name = "psycopg", marker = "extra == 'pg'" },
    { name = "theme", git = "https://example.com/theme" },
]
[package.metadata.requires-dev]
dev = [{ name = "pytest", specifier = ">=8" }, { name = "ruff" }]
lint = [{ name = "ruff" }]
"""
PROJECT = """
[project]
name = "My_Blog"
requires-python = "<4,>=3.9"
dependencies = ["Flask[async] < 4, >= 3.0", "theme"]
[project.optional-dependencies]
pg = ["psycopg"]
all = ["my-blog[pg]"]
[dependency-groups]
dev = ["pytest>=8.0", {include-group = "lint"}]
lint = ["ruff"]
[tool.uv.sources]
theme = {git = "https://example.com/theme"}
"""


def compare(project):
    return compare_uv(tomllib.loads(project), tomllib.loads(UV))


def test_uv_lock_that_says_the_same_in_other_words_is_in_step():
    assert compare(PROJECT) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (">= 3.0", ">= 3.1", "it asks for Flask[async] < 4, >= 3.1"),
        ("[async]", "", "it asks for Flask < 4, >= 3.0"),
        ('"theme"', '"theme", "six"', "it asks for six"),
        (', "theme"', "", "it no longer asks for theme"),
        ('["psycopg"]', '["psycopg2"]', "it asks for psycopg2"),
        ('lint = ["ruff"]', 'lint = ["mypy"]', "it asks for mypy"),
        ("[tool.uv.sources]\ntheme = {git", "[tool.other]\ntheme = {git", "it asks for theme"),
        (">=3.9", ">=3.10", "requires-python is <4,>=3.10"),
        ("My_Blog", "other", "the project is called other"),
    ],
)
def test_uv_lock_that_says_something_else(old, new, said):
    assert said in compare(PROJECT.replace(old, new))


@pytest.mark.parametrize(
    "change",
    [
        ('dependencies = ["Flask', 'dynamic = ["dependencies"]\nx = ["Flask'),
        ('"theme"]', '"two words"]'),
        ('name = "My_Blog"', 'version = "1"'),
    ],
)
def test_what_cannot_be_compared_is_left_to_uv(change):
    assert compare(PROJECT.replace(*change)) == []


def test_uv_lock_out_of_step_says_what_to_type(write_project):
    source = write_project({"uv.lock": UV, "pyproject.toml": PROJECT.replace('"theme"', '"six"')})
    with pytest.raises(ToppcloudError) as refused:
        check(source)
    assert refused.value.reason == "uv.lock out of step"
    assert refused.value.cure.startswith("Type: uv lock && git add uv.lock")


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": '[tool]\npoetry = "x"\n', "poetry.lock": "[metadata]\n"},
        {"pyproject.toml": '[project]\nname = "x"\ndependencies = [1]\n', "poetry.lock": "[metadata]\n"},
        {"pyproject.toml": "project = true\n", "poetry.lock": "[metadata]\n"},
        {"pyproject.toml": POETRY, "poetry.lock": 'package = "x"\n[metadata]\n'},
        {"Pipfile": "packages = 1.5\n", "Pipfile.lock": '{"_meta": {"hash": {"sha256": "0e"}}, "default": {}}'},
    ],
)
def test_files_with_other_types_than_their_manager_writes_are_refused(write_project, files):
    with pytest.raises(ToppcloudError, match="cannot be compared") as refused:
        check(write_project(files))
    assert " lock && git add " in refused.value.cure


def test_what_uv_alone_can_judge_is_left_to_uv(write_project):
    check(write_project({"pyproject.toml": '[project]\nname = "x"\n', "uv.lock": "package = [1]\n"}))
