"""Node.js, a site that npm builds, and Ruby: pushed, visited, put to sleep and woken, deployed under visitors."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.language_samples import need_bundler, need_npm, node_files, ruby_files

pytestmark = [pytest.mark.node, pytest.mark.git]


def write(repository: Repository, files: dict[str | bytes, object]) -> None:
    """Some of the files are packages, which are no text."""
    for name, content in files.items():
        path = repository.path / str(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
    repository.commit("Files", {})


def visit_during(node: LiveNode, app: str, work: Callable[[], None]) -> list[int]:
    """The statuses that a visitor saw who asked without pause."""
    is_over = threading.Event()
    seen: list[int] = []

    def ask() -> None:
        while not is_over.is_set():
            seen.append(node.request(app).status)

    visitor = threading.Thread(target=ask)
    visitor.start()
    try:
        work()
    finally:
        is_over.set()
        visitor.join()
    return seen


def check_life(node: LiveNode, repository: Repository, greeting: str, change: dict[str | bytes, object]) -> None:
    """It answers; a deploy loses nobody; it sleeps, and the next visitor wakes it."""
    said = repository.push()
    assert said.status == 0, said.all
    assert greeting in node.request(repository.app).text

    def deploy() -> None:
        write(repository, change)
        assert repository.push().status == 0

    assert set(visit_during(node, repository.app, deploy)) == {200}
    assert "bye" in node.request(repository.app).text
    assert "sleeps" in repository.toppcloud("ps:sleep").all
    assert "bye" in node.request(repository.app).text
    assert repository.toppcloud("ps:restart").status == 0
    assert "bye" in node.request(repository.app).text


def test_node_app_lives(node, new_app):
    need_npm()
    repository = new_app({})
    write(repository, node_files())
    check_life(node, repository, "hello", node_files(greeting="bye"))
    assert "npm" not in repository.toppcloud("ps").out


def test_ruby_app_lives(node, new_app):
    need_bundler()
    repository = new_app({})
    write(repository, ruby_files())
    check_life(node, repository, "hello from production", ruby_files("bye"))


def test_site_that_npm_builds_is_served_without_a_process(node, new_app):
    need_npm()
    repository = new_app({})
    build = "require('fs').mkdirSync('dist'); require('fs').writeFileSync('dist/index.html', require('tool'))\n"
    files = {**node_files(scripts={"build": "node build.js"}), "build.js": build}
    del files["server.js"]
    write(repository, files)
    said = repository.push()
    assert said.status == 0, said.all
    assert "static files of dist/, made by npm run build" in said.all
    assert node.request(repository.app).text == "made by tool"
    assert node.request(repository.app, "/package.json").status == 404
    assert "no web process" in repository.toppcloud("ps").out
