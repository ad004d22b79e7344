"""What package.json says of starting and building an app."""

from __future__ import annotations

import json

import pytest

from buildpacks.package_json import choose_start, is_development_server, parse_package_json, read_package_json
from toppcloud.errors import ToppcloudError


def parse(**content):
    return parse_package_json(json.dumps(content))


def test_what_counts_is_read():
    package = parse(
        name="shop",
        scripts={"build": "x", "start": 5},
        dependencies={"express": "5", "fsevents": "1"},
        optionalDependencies={"fsevents": "1"},
        devDependencies={"vite": "1"},
        engines={"node": ">=18"},
    )
    assert (package.name, package.scripts, package.engines) == ("shop", {"build": "x"}, {"node": ">=18"})
    assert (package.dependencies, package.dev_dependencies) == (("express",), ("vite",))
    assert package.has_packages and package.build_script == "build" and not package.installs_by_script


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "[" * 100_000])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ToppcloudError, match=r"package\.json"):
        parse_package_json(text)


@pytest.mark.parametrize("value", [None, 1, [], "x", {"start": {}}])
def test_parts_of_another_type_count_as_absent(value):
    package = parse(scripts=value, dependencies=None, engines=3, name=[])
    assert (package.scripts, package.has_packages, package.engines, package.name) == ({}, False, {}, "")


def test_link_is_not_read(tmp_path):
    (tmp_path / "package.json").symlink_to("/etc/hostname")
    assert read_package_json(tmp_path) is None


@pytest.mark.parametrize(
    ("scripts", "command"),
    [
        ({}, None),
        ({"start": " "}, None),
        ({"start": "node server.js"}, "node server.js"),
        ({"start": "npm run serve", "serve": "next start -p $PORT"}, "next start -p $PORT"),
        ({"start": "node a.js", "prestart": "node migrate.js"}, "node migrate.js && node a.js"),
        ({"start": "node a.js", "poststart": "x"}, "npm start"),
        ({"start": "node a.js --v $npm_package_version"}, "npm start"),
        ({"start": "npm run start"}, "npm start"),
        ({"start": "npm run gone"}, "npm start"),
        ({"start": "a\nb"}, "npm start"),
        ({"start": "npm run build && node a.js", "build": "x"}, "npm run build && node a.js"),
    ],
)
def test_start_script_is_run_without_npm_where_it_needs_none(scripts, command):
    assert choose_start(parse(scripts=scripts)) == command


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("vite", True),
        ("vite --host", True),
        ("vite preview", False),
        ("react-scripts start", True),
        ("npx ng serve --open", True),
        ("node server.js", False),
        ("parcel build", False),
    ],
)
def test_server_for_the_author_alone_is_told_apart(command, expected):
    assert is_development_server(command) is expected


def test_heroku_postbuild_stands_for_build():
    assert parse(scripts={"build": "a", "heroku-postbuild": "b"}).build_script == "heroku-postbuild"
    assert parse(scripts={"postinstall": "x"}).installs_by_script
