from datetime import date

import pytest

from buildpacks.python_choice import PythonRules, choose_python_request, warn_of_age
from buildpacks.python_version import Lock, PythonRequest
from buildpacks.python_version_files import PythonVersionFiles
from toppcloud.errors import ToppcloudError

RULES = PythonRules(date(2026, 11, 22))


def choose(config_var=None, runtime=None, file=None, lock=None, last=None, rules=RULES, misspelt=()):
    return choose_python_request(
        config_var=config_var,
        files=PythonVersionFiles(runtime, file, misspelt),
        lock=lock or Lock(),
        last_version=last,
        rules=rules,
    )


def test_each_place_counts_when_those_above_are_silent():
    said = {
        "config_var": "3.11.2",
        "runtime": b"python-3.11.1\n",
        "file": b"3.11\n",
        "lock": Lock("3.11", "Pipfile.lock", ">=3.11"),
        "last": "3.12.1",
        "rules": PythonRules(RULES.today, "3.13"),
    }
    found = []
    for key in list(said):
        request = choose(**said)
        found.append((request.text, request.origin))
        del said[key]
    assert found == [
        ("3.11.2", "PYTHON_VERSION"),
        ("3.11.1", "runtime.txt"),
        ("3.11", ".python-version"),
        ("3.11", "Pipfile.lock"),
        ("3.12", "as before"),
        ("3.13", "this node's default"),
    ]
    request = choose()
    assert (request.text, request.origin) == ("", "newest on this node")


def test_range_of_the_project_leaves_the_choice_to_the_last_build_and_then_the_node():
    lock = Lock(requires_python=">=3.11,<4")
    default = PythonRules(RULES.today, "3.12")
    assert choose(lock=lock, last="3.11.2", rules=default).origin == "as before"
    assert choose(lock=lock, rules=default) == PythonRequest("3.12", "this node's default")
    assert choose(lock=lock) == PythonRequest(">=3.11,<4", "requires-python")
    assert choose(lock=Lock(requires_python=">=3.13"), last="3.12.1", rules=default).text == ">=3.13"


def test_requires_python_that_is_no_specifier_is_quoted():
    with pytest.raises(ToppcloudError, match="three or so"):
        choose(lock=Lock(requires_python="three or so"))


def test_misspelt_file_is_refused_unless_something_above_it_counts():
    misspelt = (".python_version",)
    with pytest.raises(ToppcloudError, match="is a misspelt"):
        choose(misspelt=misspelt)
    with pytest.raises(ToppcloudError):
        choose(file=b"3.12", misspelt=misspelt)
    assert choose(runtime=b"python-3.12", misspelt=misspelt).text == "3.12"
    assert choose(config_var="3.12", misspelt=misspelt).text == "3.12"


@pytest.mark.parametrize(
    ("said", "origin", "minor", "cure"),
    [
        ({"file": b"3.9"}, ".python-version", "3.9", "echo 3.14 > .python-version"),
        ({"runtime": b"python-2.7.18"}, "runtime.txt", "2.7", "echo python-3.14 > runtime.txt"),
        ({"config_var": "2"}, "PYTHON_VERSION", "2.7", "toppcloud config:set PYTHON_VERSION=3.14"),
        ({"lock": Lock("3.8", "Pipfile.lock")}, "Pipfile.lock", "3.8", "pipenv lock"),
        ({"lock": Lock(requires_python="<3.10,>=3.6")}, "requires-python", "3.9", "pyproject.toml"),
    ],
)
def test_version_past_its_end_of_life_is_refused_where_it_was_said(said, origin, minor, cure):
    with pytest.raises(ToppcloudError) as refused:
        choose(**said)
    assert refused.value.what == f"Python {minor} ({origin}) has reached its end of life."
    assert "Supported: 3.11, 3.12, 3.13, 3.14, 3.15." in refused.value.why
    assert cure in refused.value.cure
    assert refused.value.reason == "Python past end of life"


def test_end_of_life_of_the_last_build_has_its_own_message():
    with pytest.raises(ToppcloudError) as refused:
        choose(last="3.9.25")
    assert refused.value.what == (
        "No version of Python is asked for, and that of the last build, 3.9, has reached its end of life."
    )
    assert refused.value.cure == "echo 3.14 > .python-version"


def test_operator_may_allow_old_ones_down_to_what_the_node_can_run():
    rules = PythonRules(RULES.today, allows_old=True)
    assert choose(file=b"3.9", rules=rules).text == "3.9"
    with pytest.raises(ToppcloudError) as refused:
        choose(file=b"2.7", rules=rules)
    assert "allow_old_python" not in refused.value.why
    with pytest.raises(ToppcloudError, match="end of life") as refused:
        choose(file=b"3.9")
    assert "allow_old_python = true" in refused.value.why


def test_wide_range_is_not_refused_for_the_old_versions_in_it():
    assert choose(lock=Lock(requires_python=">=3.6")).text == ">=3.6"
    assert choose(config_var="3").text == "3"


@pytest.mark.parametrize("text", ["3.99", "3.999", "4.0", "4", "3.12.999", "3.16"])
def test_what_nobody_has_heard_of_is_left_to_the_search(text):
    assert choose(config_var=text).text == text


def test_pinned_patch_that_is_outdated_is_warned_of():
    known = ("3.12.16", "3.12.9", "3.13.1")
    request = PythonRequest("3.12.1", ".python-version")
    (warning,) = warn_of_age("3.12.1", request, known, RULES)
    assert warning.startswith("Python 3.12.1 is outdated: 3.12.16 has more fixes")
    assert warning.endswith("echo 3.12 > .python-version")
    assert warn_of_age("3.12.16", PythonRequest("3.12.16", "runtime.txt"), known, RULES) == ()
    assert warn_of_age("3.12.1", PythonRequest("3.12", "runtime.txt"), known, RULES) == ()


@pytest.mark.parametrize(
    ("today", "said"),
    [(date(2026, 9, 1), "will reach its end of life in October 2026"), (RULES.today, "reached its end of life in Oct")],
)
def test_end_of_life_that_is_near_is_warned_of(today, said):
    (warning,) = warn_of_age("3.10.13", PythonRequest("3.10", "Pipfile.lock"), (), PythonRules(today))
    assert said in warning
    assert "pipenv lock" in warning


def test_version_that_is_newer_than_the_table_is_not_warned_of():
    assert warn_of_age("3.99.0", PythonRequest("3.99", ".python-version"), (), RULES) == ()
