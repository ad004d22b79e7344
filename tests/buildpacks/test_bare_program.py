"""Which projects are programs that need no virtualenv, and what becomes of them."""

from __future__ import annotations

import pytest

from buildpacks.bare_program import find_bare_programs
from buildpacks.processes import read_declarations
from toppcloud.errors import ToppcloudError

NODE = {"server.js": "", "Procfile": "web: node server.js\n"}


@pytest.mark.parametrize(
    "files",
    [
        NODE,
        {**NODE, "package.json": "{}"},
        {"Procfile": "web: FOO=1 bin/serve --port $PORT\nworker: ./work.sh && true\nrelease: node migrate.js\n"},
        {"package.json": "{}", "toppcloud.toml": '[web]\ncommand = "npm start"\n'},
        {"Gemfile": "", "Procfile": "web: bundle exec puma -p $PORT\n"},
        {"tool.py": "", **NODE},
    ],
)
def test_program_that_nothing_is_installed_for_is_bare(write_project, files):
    source = write_project(files)
    assert find_bare_programs(source, read_declarations(source))


@pytest.mark.parametrize(
    "files",
    [
        {**NODE, "requirements.txt": ""},
        {**NODE, "Pipfile": ""},
        {**NODE, "manage.py": ""},
        {"Procfile": "web: gunicorn app:app\n"},
        {"Procfile": "web: node server.js\nworker: python3.12 -m work\n"},
        {"Procfile": "web: node server.js\nrelease: bin/migrate.py\n"},
        {"Procfile": "web: cd api && uvicorn main:app\n"},
        {"Procfile": "web: env/bin/python app.py\n"},
        {"app.py": "", "toppcloud.toml": '[web]\nwsgi = "app:app"\n'},
        {"package.json": "{}"},
    ],
)
def test_sign_of_python_or_nothing_to_run_is_none(write_project, files):
    source = write_project(files)
    assert find_bare_programs(source, read_declarations(source)) is None


@pytest.mark.node
def test_program_is_built_without_python(builder):
    procfile = "web: node server.js\nrelease: node migrate.js\n"
    toml = '[checks]\npath = "/up"\n'
    slug = builder.push({"server.js": "1", "Procfile": procfile, "toppcloud.toml": toml})
    assert (slug.processes, slug.release_command) == ({"web": "node server.js"}, "node migrate.js")
    assert (slug.python_version, slug.venv_key, slug.check.path) == (None, None, "/up")
    assert not builder.app.slug(slug.id).venv.is_symlink()
    with pytest.raises(ToppcloudError, match="publish the source"):
        builder.push({"server.js": "1", "Procfile": procfile, "toppcloud.toml": '[web]\nstatic = "."\n'})
