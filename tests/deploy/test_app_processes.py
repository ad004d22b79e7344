from __future__ import annotations

import pytest

from deploy.app_processes import choose_app_idle, choose_word, compare_starts
from deploy.app_settings import AppSettings
from deploy.doorman_client import AppDoor
from deploy.node_status import choose_app_state
from deploy.release import Release
from deploy.start_key import StartKey
from toppcloud.node import Node


@pytest.mark.parametrize(
    ("state", "door", "age", "word"),
    [
        ("RUNNING", "awake", 0, "awake"),
        ("RUNNING", "waking", 0, "waking"),
        ("RUNNING", "unwell", 0, "unwell"),
        ("RUNNING", None, 0, "up"),
        ("RUNNING", None, -1, "draining"),
        ("STOPPED", None, -1, "draining"),
        ("RUNNING", None, 1, "starting"),
        ("STOPPING", "awake", 0, "stopping"),
        ("BACKOFF", "unwell", 0, "crashed"),
        ("EXITED", None, 0, "exited"),
    ],
)
def test_one_word_for_a_process(state: str, door: str | None, age: int, word: str) -> None:
    assert choose_word(state, door, age) == word


def test_starts_have_an_order() -> None:
    live = StartKey("blog", 12, 2)
    ages = [compare_starts(StartKey("blog", *key), live) for key in ((11, 9), (12, 1), (12, 2), (12, 3), (13, 1))]
    assert ages == [-1, -1, 0, 1, 1]
    assert compare_starts(live, None) == 1


def door(state: str, why: str = "") -> AppDoor:
    return AppDoor(state, why, 0.0, 0.0, 0, 0.0)


def test_one_word_for_an_app() -> None:
    assert choose_app_state(None, None, "")[0] == "no release"
    assert choose_app_state(3, None, "")[0] == "unattended"
    assert choose_app_state(3, door("asleep"), "") == ("asleep", "")
    assert choose_app_state(3, door("awake"), "worker.1") == ("down", "worker.1 does not run")
    assert choose_app_state(3, door("unwell", "it crashed 4 times"), "") == ("unwell", "it crashed 4 times")
    assert choose_app_state(3, door("stopped"), "worker.1")[0] == "stopped"


@pytest.mark.node
def test_process_type_that_is_scaled_to_nothing_keeps_nobody_awake(tiny_node) -> None:
    release = Release(1, "push", "", "", "slug", "ana", "", {"web": "x", "worker": "y"}, None)
    node: Node = tiny_node.node
    assert choose_app_idle(node, AppSettings(), release, None).awake_for == "worker"
    assert choose_app_idle(node, AppSettings(formation={"worker": 0}), release, None).awake_for == ""
    idle = choose_app_idle(node, AppSettings(idle="2h"), release, None)
    assert (idle.seconds, idle.origin) == (7200, "ps:idle")
    assert choose_app_idle(node, AppSettings(), release, None).origin == "idle in node.toml"
