"""Who says which buildpacks are used, and what their names mean."""

from __future__ import annotations

import pytest

from buildpacks import nodejs, python
from buildpacks.classic import ClassicBuildpack
from buildpacks.processes import read_declarations
from buildpacks.registry import choose_buildpacks, normalize_name, refuse_twice
from toppcloud.errors import ToppcloudError

APT = "https://github.com/heroku/heroku-buildpack-apt"


def choose(source, setting=()):
    return choose_buildpacks(source, read_declarations(source), setting)


def test_setting_comes_before_file_before_app_json_before_what_is_found(write_project):
    project = {"requirements.txt": "flask\n", "app.json": '{"buildpacks": [{"url": "heroku/nodejs"}]}'}
    source = write_project(project)
    assert choose(source) == [nodejs]
    write_project({".buildpacks": f"# first what it needs\n{APT}\r\n\n heroku/python \n"})
    classic, second = choose(source)
    assert isinstance(classic, ClassicBuildpack)
    assert classic.address.url == APT
    assert second is python
    assert choose(source, ("nodejs", "python")) == [nodejs, python]
    write_project({".buildpacks": "# none\n", "app.json": "{}"})
    assert choose(source) == [python]


@pytest.mark.parametrize(
    "name",
    [
        "python",
        "heroku/python",
        "urn:buildpack:heroku/python",
        "https://github.com/heroku/heroku-buildpack-python",
        "https://github.com/heroku/heroku-buildpack-python.git#v250",
        "https://buildpack-registry.s3.amazonaws.com/buildpacks/heroku/python.tgz",
    ],
)
def test_herokus_own_python_is_the_built_in_one(name):
    assert normalize_name(name) == "python"


@pytest.mark.parametrize(
    ("name", "near"), [("pyton", "python"), ("heroku/pyton", "python"), ("nodjs", "nodejs"), ("Ruby", "ruby")]
)
def test_name_that_is_mistyped_gets_the_nearest(name, near):
    with pytest.raises(ToppcloudError, match=f"Did you mean '{near}'"):
        normalize_name(name)


@pytest.mark.parametrize("names", [("python", "heroku/python"), (APT, "python", APT)])
def test_one_that_is_there_twice_is_refused(names):
    with pytest.raises(ToppcloudError, match="there twice") as caught:
        refuse_twice(names, ".buildpacks")
    assert caught.value.reason == "duplicate buildpacks"
    assert ".buildpacks" in caught.value.cure
