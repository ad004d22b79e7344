"""Which projects are nothing but files, and what becomes of them."""

from __future__ import annotations

import pytest

from buildpacks.processes import read_declarations
from buildpacks.static import find_static_site, refuse_published_source
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Web

PUBLIC = '[web]\nstatic = "public"\n'


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"index.html": ""}, "."),
        ({"index.html": "", "script.py": ""}, "."),
        ({"index.html": "", "package.json": '{"devDependencies": {"eslint": "9"}}'}, "."),
        ({"public/a.html": "", "toppcloud.toml": PUBLIC}, "public"),
        ({"public/a.html": "", "package.json": "{}", "toppcloud.toml": PUBLIC}, "public"),
        ({"index.html": "", "toppcloud.toml": '[web]\nstatic = "."\n'}, "."),
    ],
)
def test_project_of_files_alone_is_a_site(write_project, files, folder):
    source = write_project(files)
    site = find_static_site(source, read_declarations(source))
    assert site and site.web.static == folder


@pytest.mark.parametrize(
    "files",
    [
        {"index.html": "", "requirements.txt": ""},
        {"index.html": "", "package.json": '{"scripts": {"build": "vite build"}}'},
        {"index.html": "", "manage.py": ""},
        {"index.html": "", "Procfile": "web: x"},
        {"index.html": "", "toppcloud.toml": '[web]\ncommand = "x"\n'},
        {"requirements.txt": "", "toppcloud.toml": PUBLIC},
        {"pages/index.html": ""},
    ],
)
def test_project_with_more_than_files_is_none(write_project, files):
    source = write_project(files)
    assert find_static_site(source, read_declarations(source)) is None


def test_source_of_a_program_is_not_published():
    refuse_published_source(Web(static="public"), ("web",))
    refuse_published_source(Web(static="."), ())
    with pytest.raises(ToppcloudError, match="publish the source"):
        refuse_published_source(Web(static="."), ("web",))


@pytest.mark.node
def test_site_is_built_without_python(builder):
    slug = builder.push({"public/index.html": "<p>hello", "toppcloud.toml": PUBLIC, "public/404.html": "gone"})
    assert (slug.processes, slug.python_version, slug.venv_key, slug.web.static) == ({}, None, None, "public")
    assert "static files of public/" in builder.text
    assert not builder.app.slug(slug.id).venv.is_symlink()


@pytest.mark.node
def test_folder_that_is_not_there_is_named(builder):
    with pytest.raises(ToppcloudError, match="public"):
        builder.push({"index.html": "", "toppcloud.toml": PUBLIC})
