"""Apps and commands that want to do harm, or would by accident."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]

DEEP = """
import os
def app(environ, start_response):
    here = os.open(os.environ["HOME"], os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 30, dir_fd=here)
        here, before = os.open("d" * 30, os.O_RDONLY, dir_fd=here), here
        os.close(before)
    start_response("200 OK", [])
    return [b"deep"]
"""


def test_process_type_that_is_called_like_a_release_outlives_the_refusal_of_that_release(live_app: Make) -> None:
    repository = live_app(plain_files(Procfile="web: gunicorn app:app\nv2: sleep 1000\n"))
    assert "v2.1" in repository.toppcloud("ps").out
    repository.commit("Broken", {"app.py": "syntax error("})
    assert repository.push().status == 1
    assert "v2.1" in repository.toppcloud("ps").out


def test_refused_rename_leaves_the_app_running(node: LiveNode, live_app: Make) -> None:
    first, second = live_app(), live_app()
    for name in (second.app, "No Name"):
        assert first.toppcloud("apps:rename", name).status == 1
        assert node.request(first.app).status == 200


def test_app_that_makes_folders_without_end_can_be_pushed_and_destroyed(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files(**{"app.py": DEEP}))
    repository.commit("Better", plain_files())
    said = repository.push()
    assert said.status == 0, said.all
    assert "d" * 30 in said.all
    assert repository.toppcloud("apps:info").status == 0
    assert repository.toppcloud("apps:destroy", "--confirm", repository.app).status == 0
    assert not node.layout.app(repository.app).folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="without root, apps are the node's own user")
def test_an_app_can_write_only_where_it_should(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    find = f"find {node.root} -writable -not -type l -not -path '*/cache/*' 2>/dev/null; exit 0"
    places = repository.toppcloud("run", "--", "sh", "-c", find).out.split()
    app = node.layout.app(repository.app)
    ours = [place for place in places if place.startswith(f"{app.folder}/")]
    allowed = (str(app.files), str(app.release(1).source), str(app.release(1).tmp), str(app.venvs), "/web.sock")
    assert [place for place in ours if not place.startswith(allowed[:4]) and not place.endswith(allowed[4])] == []
    folders = [place for place in ours if place.startswith(str(app.venvs)) and os.path.isdir(place)]
    assert folders == []
    assert [place for place in places if not place.startswith(f"{node.layout.apps}/")] == []
