import pytest

from buildpacks.python_version import (
    Lock,
    PythonRequest,
    choose_fallback,
    parse_locked_version,
    parse_version,
    refuse_contradiction,
    refuse_unsuitable,
    render_change,
)
from toppcloud.errors import ToppcloudError


@pytest.mark.parametrize(
    ("text", "why", "example"),
    [
        ("latest", "written as 3.12", "3.14"),
        ("3.x", "one to three numbers", "3.14"),
        ("python-3.x", "one to three numbers", "3.14"),
        ("3.12.7.1", "one to three numbers", "3.12"),
        ("03.12", "one to three numbers", "3.14"),
        ("3.12-dev", "before its release", "3.12"),
        ("3.15.0rc1", "before its release", "3.14"),
        ("pypy3.10-7.3.15", "CPython only", "3.14"),
        ("miniconda3-latest", "CPython only", "3.14"),
        ("3.13t", "free-threaded", "3.13"),
        (">=3", "a range", "3.14"),
        ("^3.12", "a range", "3.12"),
        ('"3.12"', "without quotes", "3.12"),
        ("$(id)", "written as 3.12", "3.14"),
        ("٣.12", "one to three numbers", "3.14"),
    ],
)
def test_each_kind_of_wrong_version_has_its_own_message(text, why, example):
    with pytest.raises(ToppcloudError) as refused:
        parse_version(text, ".python-version")
    assert refused.value.what == f".python-version asks for '{text}', which is not a version of Python."
    assert why in refused.value.why
    assert refused.value.cure == f"echo {example} > .python-version"
    assert refused.value.reason == "invalid Python version"


def test_config_var_that_is_wrong_is_quoted():
    with pytest.raises(ToppcloudError, match="PYTHON_VERSION asks for 'three'") as refused:
        parse_version("three", "PYTHON_VERSION")
    assert refused.value.cure == "toppcloud config:set PYTHON_VERSION=3.14"


@pytest.mark.parametrize("text", ["3.9.*", "^3.12", ">=3.12", "3", "", "3.12\n", "3.12 "])
def test_lock_names_a_version_and_nothing_else(text):
    with pytest.raises(ToppcloudError) as refused:
        parse_locked_version(text, "Pipfile.lock")
    assert refused.value.what.startswith("Pipfile.lock asks for Python '")
    assert "pipenv lock" in refused.value.cure


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


@pytest.mark.parametrize(
    ("text", "minor", "is_admitted"),
    [
        ("", "3.8", True),
        ("3", "3.8", True),
        ("3.1", "3.12", False),
        ("3.12", "3.1", False),
        ("3.12.4", "3.12", True),
        ("==3.12.*", "3.12", True),
        ("==3.12.*", "3.13", False),
        (">=3.12.4", "3.12", True),
        (">3.11,<3.12", "3.11", True),
    ],
)
def test_which_minor_versions_a_request_admits(text, minor, is_admitted):
    assert PythonRequest(text, "x").admits_minor(minor) is is_admitted


def test_python_that_the_project_cannot_run_on_is_refused_with_both_places():
    with pytest.raises(ToppcloudError) as refused:
        refuse_unsuitable("3.12.1", PythonRequest("3.12", ".python-version"), Lock(requires_python=">=3.12.4"))
    assert ".python-version" in refused.value.why
    assert "requires-python is >=3.12.4" in refused.value.why


@pytest.mark.parametrize(
    ("request_text", "origin", "lock", "why", "cure"),
    [
        (
            "3.13",
            ".python-version",
            Lock(requires_python="==3.12.*"),
            ".python-version leads to 3.13; requires-python is ==3.12.*.",
            "echo 3.12 > .python-version",
        ),
        (
            "3.11",
            "runtime.txt",
            Lock(None, "uv.lock", "==3.12.*"),
            "runtime.txt leads to 3.11; uv.lock asks for ==3.12.*.",
            "echo python-3.12 > runtime.txt",
        ),
        (
            "3.12.1",
            "PYTHON_VERSION",
            Lock(requires_python=">=3.12.4"),
            "PYTHON_VERSION leads to 3.12.1; requires-python is >=3.12.4.",
            "toppcloud config:set PYTHON_VERSION=3.12",
        ),
        (
            "3.13",
            ".python-version",
            Lock("3.12", "Pipfile.lock"),
            ".python-version leads to 3.13; Pipfile.lock was made for 3.12.",
            "echo 3.12 > .python-version",
        ),
    ],
)
def test_version_that_the_lock_was_not_made_for_is_refused_at_once(request_text, origin, lock, why, cure):
    with pytest.raises(ToppcloudError) as refused:
        refuse_contradiction(PythonRequest(request_text, origin), lock)
    assert (refused.value.why, refused.value.cure) == (why, cure)
    assert refused.value.reason == "Python version does not fit"


@pytest.mark.parametrize(
    ("request_text", "lock"),
    [
        ("3.12", Lock(requires_python=">=3.12.4,<4")),
        ("3", Lock(requires_python="==3.12.*")),
        ("3.13", Lock("3.13", "Pipfile.lock")),
        ("3.10.13", Lock("3.10.0", "Pipfile.lock")),
        ("3.13", Lock()),
    ],
)
def test_version_that_may_fit_the_lock_is_not_refused(request_text, lock):
    refuse_contradiction(PythonRequest(request_text, ".python-version"), lock)


def test_range_is_said_by_the_file_that_it_stands_in():
    assert Lock(None, "uv.lock", ">=3.12").range_origin == "uv.lock"
    assert Lock("3.12", "Pipfile.lock", ">=3.12").range_origin == "requires-python"
    assert choose_fallback(Lock(None, "uv.lock", ">=3.12"), None, "") == PythonRequest(">=3.12", "uv.lock")


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ("uv.lock", 'Write requires-python = ">=3.14" into pyproject.toml, then: uv lock'),
        ("poetry.lock", "Let pyproject.toml ask for Python >=3.14, then: poetry lock"),
        ("pyproject.toml", 'Write requires-python = ">=3.14" into pyproject.toml'),
        ("this node's default", 'echo 3.14 > .python-version; or on the node, in node.toml: python = "3.14"'),
        ("as before", "echo 3.14 > .python-version"),
    ],
)
def test_change_is_to_be_made_where_the_version_is_said(origin, line):
    assert render_change(origin, "3.14") == line
