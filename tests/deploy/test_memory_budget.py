from __future__ import annotations

from pathlib import Path

import pytest

from deploy.app_settings import update_app_settings
from deploy.memory_budget import plan_needs, refuse_needs, require_memory
from deploy.memory_sizes import ASSUMED_BYTES, Size, measure, read_sizes, remember_fresh, remember_grown
from deploy.node_memory import NodeMemory
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError

MB = 1_000_000
WEB = Size(count=1, fresh_bytes=40 * MB, grown_bytes=60 * MB, origin="measured")
WORKER = Size(count=1, fresh_bytes=30 * MB, grown_bytes=50 * MB, origin="measured")


def total(wanted: dict[str, int], running: dict[str, int], **sizes: Size) -> int:
    return sum(need.total_bytes for need in plan_needs(wanted, running, sizes))


def test_deploy_needs_fresh_web_processes_beside_the_old_ones_and_no_second_worker() -> None:
    assert total({"web": 1, "worker": 1}, {"web": 1, "worker": 1}, web=WEB, worker=WORKER) == 40 * MB


def test_scaling_up_needs_as_much_as_the_new_ones_grow_to() -> None:
    assert total({"web": 4, "worker": 3}, {"web": 1, "worker": 1}, web=WEB, worker=WORKER) == 3 * 60 * MB + 2 * 50 * MB


def test_new_start_of_an_app_that_has_leaked_needs_only_what_a_fresh_one_takes() -> None:
    leaked = Size(count=1, fresh_bytes=40 * MB, grown_bytes=2000 * MB)
    assert total({"web": 1}, {"web": 1}, web=leaked) == 40 * MB


def test_app_that_sleeps_needs_all_of_itself() -> None:
    assert total({"web": 2}, {}, web=WEB) == 120 * MB


def test_scaling_to_nothing_needs_nothing() -> None:
    assert total({"web": 0, "worker": 0}, {"web": 1, "worker": 1}, web=WEB, worker=WORKER) == 0


def test_what_never_ran_is_assumed() -> None:
    assert total({"web": 1}, {}) == ASSUMED_BYTES


def test_refusal_shows_the_arithmetic_and_how_many_would_fit() -> None:
    needs = plan_needs({"web": 8, "worker": 2}, {"web": 1, "worker": 1}, {"web": WEB, "worker": WORKER})
    memory = NodeMemory(1000 * MB, 300 * MB)
    with pytest.raises(ToppcloudError) as refused:
        refuse_needs("blog", needs, memory, "--no-check")
    assert refused.value.lines() == [
        "The node cannot hold this: blog needs 470 MB more memory, and 250 MB can be had.",
        "7 more web, 60 MB each (measured): 420 MB",
        "1 more worker, 50 MB (measured): 50 MB",
        "300 MB of 1.0 GB are free, and 50 MB of that stay so for the node.",
        "Run fewer: toppcloud ps:scale web=4 -a blog",
        "Put another app to sleep: toppcloud ps:sleep -a APP   Go on all the same: --no-check",
    ]


def test_refusal_does_not_propose_what_runs_already() -> None:
    needs = plan_needs({"web": 2}, {"web": 1}, {"web": WEB})
    with pytest.raises(ToppcloudError) as refused:
        refuse_needs("blog", needs, NodeMemory(1000 * MB, 100 * MB), "--no-check", is_draining=True)
    assert "Run fewer" not in refused.value.cure
    assert "Wait a little" in refused.value.cure


def test_what_fits_is_not_refused() -> None:
    refuse_needs("blog", plan_needs({"web": 1}, {}, {"web": WEB}), NodeMemory(1000 * MB, 300 * MB), "--no-check")


def test_sizes_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    app = AppLayout(tmp_path)
    for text in ("{", "[]", '{"web": {"colour": 3}}'):
        app.memory.write_text(text)
        assert read_sizes(app) == {}


@pytest.mark.node
def test_running_app_is_measured_and_remembered_for_when_it_sleeps(tiny_node, make_app) -> None:
    app = make_app(tiny_node, "sized")
    key = app.go_live(1)
    app.wait_until_up("v1.1")
    layout = tiny_node.layout.app("sized")
    taken = measure(tiny_node.layout, key)["web"]
    assert taken.count == 1
    assert 1 * MB < taken.grown_bytes < 100 * MB
    remember_fresh(tiny_node.layout, key, {"web": 2})
    fresh = read_sizes(layout)["web"]
    assert (fresh.count, fresh.origin) == (2, "remembered")
    remember_grown(tiny_node.layout, key)
    assert measure(tiny_node.layout, key)["web"].count == 2
    tiny_node.supervisor.stop("sized.web.1.v1.1")
    assert measure(tiny_node.layout, key) == {}
    assert read_sizes(layout)["web"].grown_bytes


@pytest.mark.node
def test_more_processes_than_any_machine_holds_are_refused_but_not_for_a_stopped_app(tiny_node, make_app) -> None:
    key = make_app(tiny_node, "huge").go_live(1)
    layout = tiny_node.layout.app("huge")
    layout.memory.write_text('{"worker": {"count": 1, "fresh_bytes": 1, "grown_bytes": 1000000000000000}}')
    update_app_settings(layout, formation={"worker": 2})
    with pytest.raises(ToppcloudError, match="cannot hold"):
        require_memory(tiny_node.node, layout, key, ["web", "worker"], override="--no-check")
    update_app_settings(layout, stopped=True)
    require_memory(tiny_node.node, layout, key, ["web", "worker"], override="--no-check")
