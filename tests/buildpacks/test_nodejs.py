"""Node.js projects: which they are, and what npm makes of them. Their packages lie beside them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from buildpacks import nodejs
from buildpacks.processes import read_declarations
from tests.buildpacks.conftest import Builder
from tests.language_samples import need_node, need_npm, node_files, pack
from toppcloud.errors import ToppcloudError

BUILD = {"start": "node server.js", "build": "node build.js"}
BUILD_JS = """
const fs = require("fs")
fs.writeFileSync("made.txt", require("tool") + " " + process.env.NODE_ENV + " " + process.env.STRIPE_KEY)
"""
SITE_JS = "require('fs').mkdirSync('dist'); require('fs').writeFileSync('dist/index.html', '<p>' + require('tool'))\n"


def scripts(**content: str) -> str:
    return json.dumps({"scripts": content})


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": scripts(start="node a.js")},
        {"package.json": scripts(build="vite build")},
        {"package.json": scripts(build="vite build"), "toppcloud.toml": '[web]\nstatic = "dist"\n'},
        {"package.json": "{}", "server.js": ""},
        {"package.json": '{"dependencies": {"x": "1"}}', "Procfile": "web: node a.js\n"},
        {"package.json": scripts(start="node a.js"), "manage.py": ""},
    ],
)
def test_project_of_node_is_found(write_project, files):
    source = write_project(files)
    assert nodejs.find(source, read_declarations(source)) == "package.json"


@pytest.mark.parametrize(
    "files",
    [
        {"server.js": ""},
        {"package.json": "{}"},
        {"package.json": scripts(build="x"), "manage.py": ""},
        {"package.json": scripts(build="x"), "dist/a": "", "toppcloud.toml": '[web]\nstatic = "dist"\n'},
        {"package.json": "{}", "Procfile": "web: ./serve\n"},
    ],
)
def test_package_json_for_other_ends_is_left_to_others(write_project, files):
    source = write_project(files)
    assert nodejs.find(source, read_declarations(source)) is None


@pytest.mark.parametrize(
    ("locks", "said"),
    [
        (["yarn.lock"], "yarn.lock is there: Yarn does not run here"),
        (["pnpm-lock.yaml"], "pnpm does not run here"),
        (["package-lock.json", "yarn.lock"], "package-lock.json and yarn.lock are both there"),
    ],
)
def test_lock_of_another_program_is_refused(write_project, locks, said):
    source = write_project({"package.json": "{}", **dict.fromkeys(locks, "")})
    with pytest.raises(ToppcloudError, match=said) as refused:
        nodejs.read_project(source)
    assert "git rm" in refused.value.cure


@pytest.mark.node
def test_name_that_no_file_can_have_is_that_of_no_committed_package(write_project):
    package = json.dumps({"dependencies": {"a" * 300: "1", "b\0": "1"}})
    source = write_project({"package.json": package, "node_modules/b/package.json": "{}"})
    assert not nodejs.read_project(source).is_committed


def test_app_without_packages_needs_no_npm(builder: Builder):
    need_node()
    slug = builder.push({"package.json": "{}", "server.js": "1"})
    assert (slug.processes, slug.python_version) == ({"web": "node server.js"}, None)
    assert "no packages to install" in builder.text


@pytest.mark.node
def test_packages_are_installed_built_with_and_pruned(builder: Builder):
    need_npm()
    slug = builder.push({**node_files(scripts=BUILD), "build.js": BUILD_JS}, {"STRIPE_KEY": "sk"})
    source = builder.app.slug(slug.id).source
    assert (source / "made.txt").read_text() == "made by tool production sk"
    assert (source / "node_modules/greeting/index.js").is_file()
    assert not (source / "node_modules/tool").exists()
    assert slug.processes == {"web": "node server.js"}
    assert (slug.environment["NODE_ENV"], slug.environment["npm_package_version"]) == ("production", "1.2.3")
    assert slug.paths == ("node_modules/.bin",)
    assert "npm ci from package-lock.json" in builder.text


@pytest.mark.node
def test_packages_are_reused_until_something_changes_and_the_push_says_what(builder: Builder):
    need_npm()
    files = node_files(scripts=BUILD)
    builder.push({**files, "build.js": BUILD_JS})
    slug = builder.push({**files, "build.js": BUILD_JS})
    assert "package-lock.json unchanged: node_modules reused" in builder.text
    assert not (builder.app.slug(slug.id).source / "node_modules/tool").exists()
    builder.push({**node_files(scripts=BUILD, greeting="bye"), "build.js": BUILD_JS})
    assert "package-lock.json changed: npm ci" in builder.text
    builder.push({**node_files(scripts=BUILD, greeting="bye"), "build.js": BUILD_JS, ".npmrc": "audit=false\n"})
    assert ".npmrc changed: npm ci" in builder.text


@pytest.mark.node
def test_half_made_copy_of_packages_is_not_used(builder: Builder):
    need_npm()
    builder.push(node_files())
    record = builder.app.build_cache("nodejs.json")
    record.unlink()  # as after a kill while the copy was made
    builder.push(node_files())
    assert "reused" not in builder.text
    assert record.is_file()


@pytest.mark.node
def test_build_that_makes_a_site_leaves_no_packages(builder: Builder):
    need_npm()
    files = node_files(scripts={"build": "node build.js", "start": "vite"})
    slug = builder.push({**files, "build.js": SITE_JS})
    source = builder.app.slug(slug.id).source
    assert (slug.processes, slug.web.static) == ({}, "dist")
    assert (source / "dist/index.html").read_text() == "<p>made by tool"
    assert not (source / "node_modules").exists()
    assert "static files of dist/, made by npm run build" in builder.text


@pytest.mark.node
def test_build_without_a_site_names_where_one_is(builder: Builder):
    need_npm()
    files = {"package.json": scripts(build="true"), "pages/en/index.html": ""}
    with pytest.raises(ToppcloudError, match="made no site") as refused:
        builder.push(files)
    assert 'static = "pages/en"' in refused.value.cure


@pytest.mark.node
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dependencies": {"tool": "file:tool.tgz", "new": "file:new.tgz"}}, "do not say the same"),
        ({"engines": {"node": "4.x"}}, "wants Node.js 4.x"),
        ({"engines": {"node": "newest"}}, "no range of versions"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_reason(builder: Builder, change, said):
    need_npm()
    files = {**node_files(**change), "new.tgz": pack("new", {})}
    with pytest.raises(ToppcloudError) as refused:
        builder.push(files)
    assert said in "\n".join(refused.value.lines())


@pytest.mark.node
def test_failing_script_refuses_the_push_and_tokens_stay_hidden(builder: Builder):
    need_npm()
    script = "console.log('//x/:_authToken=s3cret https://ana:s3cret@example.com'); process.exit(3)"
    with pytest.raises(ToppcloudError, match="npm run build failed: exit status 3"):
        builder.push({"package.json": scripts(build="node build.js"), "build.js": script})
    assert "s3cret" not in builder.text and "_authToken=***" in builder.text


@pytest.mark.node
def test_committed_packages_are_taken_as_they_are(builder: Builder):
    files = {"package.json": '{"dependencies": {"x": "1"}}', "server.js": "", "node_modules/x/package.json": "{}"}
    need_node()
    slug = builder.push(files)
    assert any("node_modules is committed" in warning for warning in slug.warnings)


def test_missing_runtime_names_the_package_and_the_setting(node, monkeypatch, tmp_path):
    monkeypatch.setattr("buildpacks.runtime.BASE_PATH", str(tmp_path))
    with pytest.raises(ToppcloudError, match=r"no Node\.js that apps can use") as refused:
        nodejs.choose_node(node, nodejs.PackageJson())
    assert "apt-get install nodejs" in refused.value.cure
    assert "node.toml" in refused.value.cure


def test_setting_names_a_folder_that_goes_onto_the_path(node, folder: Path):
    program = folder / "node"
    program.write_text("#!/bin/sh\necho 99.1.0\n")
    program.chmod(0o755)
    settings = dataclasses.replace(node.settings, node=str(folder))
    found = nodejs.choose_node(dataclasses.replace(node, settings=settings), nodejs.PackageJson())
    assert (found.version, found.paths) == ("99.1.0", (str(folder),))


DJANGO = {
    "requirements.txt": "django\n",
    "manage.py": "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_settings')\n"
    "from django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n",
    "site_settings.py": "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_URL = 'static/'\n"
    "STATIC_ROOT = 'staticfiles'\nSTATICFILES_DIRS = ['assets']\n",
    "Procfile": "web: gunicorn app:app\n",
}
ASSETS_JS = "require('fs').writeFileSync('assets/app.js', require('tool'))\n"


@pytest.mark.node
def test_assets_are_built_before_django_collects_them(builder: Builder):
    need_npm()
    files = {**node_files(scripts={"build": "node build.js"}), **DJANGO, "build.js": ASSETS_JS, "assets/a.css": ""}
    slug = builder.push(files)
    assert any("buildpacks:add nodejs --index 1" in warning for warning in slug.warnings)
    builder.buildpacks = ("heroku/nodejs", "python")
    slug = builder.push(files)
    source = builder.app.slug(slug.id).source
    assert (source / "staticfiles/app.js").read_text() == "made by tool"
    assert (slug.processes, slug.buildpack.split(",")[0]) == ({"web": "gunicorn app:app"}, "nodejs 1")
    assert not any("buildpacks:add" in warning for warning in slug.warnings)
