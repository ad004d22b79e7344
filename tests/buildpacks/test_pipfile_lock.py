import json

import pytest

from buildpacks.dependencies import read_dependencies
from buildpacks.detection import detect
from buildpacks.locked import Index, batch
from buildpacks.pipfile_lock import hash_pipfile, parse_pipfile_lock
from toppcloud.errors import ToppcloudError

PYPI = {"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}
MINE = {"name": "mine", "url": "https://${USER}:${TOKEN}@pypi.example.com/simple", "verify_ssl": False}


def lock(default, sources=(PYPI,), **meta):
    return json.dumps({"_meta": {"sources": list(sources), **meta}, "default": default, "develop": {"pytest": {}}})


def lines(default, **meta):
    return [package.line for package in parse_pipfile_lock(lock(default, **meta)).packages]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"version": "==3.1.0"}, "x==3.1.0"),
        ({"version": "==3.1.0", "hashes": ["sha256:ab", "md5:cd"]}, "x==3.1.0 --hash=md5:cd --hash=sha256:ab"),
        ({"version": "==1", "markers": "python_version >= '3.9'"}, "x==1 ; python_version >= '3.9'"),
        ({"version": "==1", "os_name": "== 'nt'", "markers": "a"}, "x==1 ; (a) and (os_name == 'nt')"),
        ({"version": "*", "markers": "os_name == 'nt'"}, "x ; os_name == 'nt'"),
        ("==3.1.0", "x==3.1.0"),
        ({"git": "https://example.com/x.git", "ref": "1f3a"}, "x @ git+https://example.com/x.git@1f3a"),
        ({"git": "git+https://example.com/x", "ref": "1", "editable": True}, "x @ git+https://example.com/x@1"),
        (
            {"git": "git@example.com:me/x.git", "ref": "1", "subdirectory": "py"},
            "x @ git+ssh://git@example.com/me/x.git@1#subdirectory=py",
        ),
        (
            {"file": "https://example.com/x.whl", "hashes": ["sha256:ab"]},
            "x @ https://example.com/x.whl --hash=sha256:ab",
        ),
        ({"path": "./libs/x", "editable": True}, "-e ./libs/x"),
        ({"file": "wheels/x.whl"}, "./wheels/x.whl"),
        ({"path": ".", "editable": True}, "-e ./."),
    ],
)
def test_entry_becomes_a_line_for_uv(entry, line):
    assert lines({"x": entry}) == [line]


@pytest.mark.parametrize(
    "default",
    [
        {"x": {"version": "==1\n--index-url https://evil.example"}},
        {"-r /etc/passwd": {"version": "==1"}},
        {"x": {"version": "==1", "markers": "a\n-r /etc/passwd"}},
        {"x": {"hg": "https://example.com/x"}},
        {"x": {"path": "../outside"}},
        {"x": 3},
        [],
    ],
)
def test_what_nobody_can_install_is_refused(default):
    with pytest.raises(ToppcloudError):
        parse_pipfile_lock(lock(default))


@pytest.mark.parametrize("text", ["", "INVALID", "[]", "{}", '{"_meta": 3}', "[" * 100_000])
def test_text_that_is_no_lock_is_refused_with_the_line_to_type(text):
    with pytest.raises(ToppcloudError) as refused:
        parse_pipfile_lock(text)
    assert refused.value.cure == "Make it again: pipenv lock"


def test_packages_are_installed_from_the_source_that_they_name():
    sources = [PYPI, MINE]
    default = {
        "a": {"version": "==1", "index": "mine"},
        "b": {"version": "==1"},
        "c": {"version": "==1", "index": "no"},
    }
    found = batch(parse_pipfile_lock(lock(default, sources)).packages)
    index = Index("mine", MINE["url"], False)
    assert [(part.index, part.text) for part in found] == [(None, "b==1\nc==1\n"), (index, "a==1\n")]


@pytest.mark.parametrize(
    ("requires", "python"),
    [
        ({"python_version": "3.12"}, "3.12"),
        ({"python_version": "3.12", "python_full_version": "3.12.4"}, "3.12.4"),
        ({}, None),
    ],
)
def test_python_that_the_lock_names(write_project, requires, python):
    source = write_project({"Pipfile": "", "Pipfile.lock": lock({}, requires=requires)})
    dependencies = read_dependencies(source, detect(source))
    assert dependencies.locked_python == python
    assert dependencies.locked_python_origin == ("Pipfile.lock" if python else None)


def test_variables_in_addresses_belong_to_the_lock(write_project):
    source = write_project({"Pipfile": "", "Pipfile.lock": lock({}, [MINE])})
    assert read_dependencies(source, detect(source)).variables == {"USER", "TOKEN"}


PIPFILE = """
[packages]
Foo_Bar = "*"
[pipenv]
allow_prereleases = true
[extra]
six = "*"
"""


def test_hash_is_the_one_of_pipenv_in_each_of_its_ages():
    """As pipenv 2026.10, 2023.7 and 2020.11 say for this very file, each without pip's own settings."""
    assert hash_pipfile(PIPFILE) == (
        "25322a6878356af3a94d454497923f4398e43384ee74f8cf51915e27fa4f6e32",
        "be83bb0d4d040001c2dbb6db273afbb0140691980ff0b134b53ef719d5bb16a9",
        "f6ef3399b02291bbc10717ac672b0f6324cc631a705fd97ee1f620ba31025518",
    )


def test_name_of_an_index_is_a_text_whatever_the_file_has():
    packages = parse_pipfile_lock(lock({"x": "==1"}, sources=({**MINE, "name": [["mine"]]},))).packages
    assert [part.index.name for part in batch(packages)] == ["[['mine']]"]
