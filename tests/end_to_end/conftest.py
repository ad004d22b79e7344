"""One real node for all end-to-end tests; each test has apps of its own on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files
from toppcloud.program import find_program

_numbers = itertools.count()


@pytest.fixture(scope="session")
def node() -> Iterator[LiveNode]:
    live = LiveNode.in_new_folder()
    try:
        live.start()
        yield live
    finally:
        live.remove()


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def routed(request: pytest.FixtureRequest) -> Iterator[LiveNode]:
    """A node of a module's own behind each router."""
    if request.param == "nginx" and find_program("nginx") is None:
        pytest.skip("needs Debian's package nginx-light")
    with LiveNode.running("--router", request.param) as live:
        yield live


@pytest.fixture
def new_app(node: LiveNode) -> Callable[..., Repository]:
    """A repository with files, for an app whose name is far from all others."""

    def make(files: dict[str, str] | None = None) -> Repository:
        letters = "abcdefghijklmnop"
        number = next(_numbers)
        name = "app-" + "".join(letters[int(digit, 16)] * 2 for digit in f"{number:02x}")
        return node.repository(name, plain_files() if files is None else files)

    return make


@pytest.fixture
def live_app(new_app: Callable[..., Repository]) -> Callable[..., Repository]:
    """The same, pushed and live."""

    def make(files: dict[str, str] | None = None) -> Repository:
        repository = new_app(files)
        said = repository.push()
        assert said.status == 0, said.all
        return repository

    return make
