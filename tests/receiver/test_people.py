"""The people who may come in."""

from __future__ import annotations

import asyncssh
import pytest

from deploy.ssh_keys import make_user_key
from receiver.people import add_person, find_person, read_people, remove_person
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ana", "bo"):
        make_user_key(folder / name, name)
    return {name: folder.joinpath(f"{name}.pub").read_text().strip() for name in ("ana", "bo")}


def wire(key: str) -> bytes:
    return asyncssh.import_public_key(key).public_data


def test_nobody_is_there_at_first(layout, keys):
    assert read_people(layout) == []
    assert find_person(layout, wire(keys["ana"])) is None


def test_person_is_found_by_key_and_adding_twice_changes_nothing(layout, keys):
    assert add_person(layout, "ana", keys["ana"])
    assert not add_person(layout, "ana", keys["ana"])
    assert find_person(layout, wire(keys["ana"])) == "ana"
    assert find_person(layout, wire(keys["bo"])) is None


def test_a_key_has_one_name_and_a_name_one_key(layout, keys):
    add_person(layout, "ana", keys["ana"])
    with pytest.raises(ToppcloudError, match="That key is ana's already"):
        add_person(layout, "eve", keys["ana"])
    with pytest.raises(ToppcloudError, match="ana has another key already"):
        add_person(layout, "ana", keys["bo"])
    assert [person.name for person in read_people(layout)] == ["ana"]


def test_last_person_stays_and_unknown_ones_are_named(layout, keys):
    add_person(layout, "ana", keys["ana"])
    with pytest.raises(ToppcloudError, match="last key"):
        remove_person(layout, "ana")
    with pytest.raises(ToppcloudError, match="Did you mean 'ana'"):
        remove_person(layout, "anna")
    add_person(layout, "bo", keys["bo"])
    remove_person(layout, "ana")
    assert [person.name for person in read_people(layout)] == ["bo"]
    assert find_person(layout, wire(keys["ana"])) is None


def test_file_written_by_hand_may_hold_several_keys_and_rubbish_is_skipped(layout, keys):
    path = layout.person_key("ana")
    path.parent.mkdir(parents=True)
    path.write_text(f"# laptop\n{keys['ana']}\n\nrubbish\n{keys['bo']}\n")
    assert find_person(layout, wire(keys["bo"])) == "ana"
    (layout.people / "stray").write_text("not a folder")
    (layout.people / "empty").mkdir()
    assert {person.name for person in read_people(layout)} == {"ana"}
