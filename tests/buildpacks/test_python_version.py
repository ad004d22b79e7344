import pytest

from buildpacks.python_version import (
    PythonRequest,
    choose_python_request,
    parse_version,
    parse_version_file,
    refuse_unsuitable,
)
from toppcloud.errors import ToppcloudError

NOTHING = {
    "config_var": None,
    "runtime_txt": None,
    "python_version_file": None,
    "requires_python": None,
    "last_version": None,
    "node_default": "",
}


def test_each_place_counts_when_those_above_are_silent():
    said = {
        "config_var": "3.14",
        "runtime_txt": "python-3.13.1\n",
        "python_version_file": "3.12\n",
        "requires_python": ">=3.10",
        "last_version": "3.9.18",
        "node_default": "3.8",
    }
    found = []
    for key in said:
        found.append(choose_python_request(**{**NOTHING, **said}).text)
        said = {k: v for k, v in said.items() if k != key}
    assert found == ["3.14", "3.13.1", "3.12", ">=3.10", "3.9", "3.8"]
    assert choose_python_request(**NOTHING).text == ""


def test_last_python_stays_while_it_fits_what_the_project_requires():
    request = choose_python_request(**{**NOTHING, "requires_python": ">=3.9,<4", "last_version": "3.11.2"})
    assert (request.text, request.origin) == ("3.11", "as before")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.12\n", "3.12"),
        ("\ufeff3.12.7\r\n", "3.12.7"),
        ("# ours\n\n3.12 # pinned\n", "3.12"),
        ("python-3.11.9", "3.11.9"),
        ("\u200b3.12", "3.12"),
        ("3.12.*", "3.12"),
    ],
)
def test_version_file_is_read(text, version):
    assert parse_version_file(text, ".python-version") == version


@pytest.mark.parametrize(
    "text", ["", "# only\n", "3.12\n3.11\n", "latest", "3.12-dev", "pypy3.10", "3.12.7.1", "$(id)", ">=3"]
)
def test_version_file_that_is_wrong_is_quoted(text):
    with pytest.raises(ToppcloudError) as refused:
        parse_version_file(text, ".python-version")
    assert ".python-version" in refused.value.what
    assert refused.value.reason == "invalid Python version"


def test_config_var_that_is_wrong_is_quoted():
    with pytest.raises(ToppcloudError, match="PYTHON_VERSION asks for 'three'"):
        parse_version("three", "PYTHON_VERSION")


@pytest.mark.parametrize(
    ("text", "version", "is_admitted"),
    [
        ("", "3.8.1", True),
        ("3.1", "3.11.2", False),
        ("3.11", "3.11.2", True),
        ("3.11.2", "3.11.2", True),
        ("3.11.2", "3.11.20", False),
        ("3", "3.9.1", True),
        (">=3.10,<3.12", "3.11.9", True),
        (">=3.10,<3.12", "3.12.0", False),
    ],
)
def test_what_a_request_admits(text, version, is_admitted):
    assert PythonRequest(text, "x").admits(version) is is_admitted


def test_python_that_the_project_cannot_run_on_is_refused_with_both_places():
    with pytest.raises(ToppcloudError) as refused:
        refuse_unsuitable("3.9.1", PythonRequest("3.9", ".python-version"), ">=3.10")
    assert ".python-version" in refused.value.why
    assert ">=3.10" in refused.value.why


def test_requires_python_that_is_no_specifier_is_quoted():
    with pytest.raises(ToppcloudError, match="three or so"):
        choose_python_request(**{**NOTHING, "requires_python": "three or so"})
