"""Tiny apps as git trees, and a node to build them on: as root its account is `nobody`, as in real life."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dulwich.object_store import MemoryObjectStore
from dulwich.objects import Blob, Tree

from buildpacks.build import BuildRequest, build, choose_slug_id
from buildpacks.export import export_tree
from buildpacks.provenance import read_provenance
from buildpacks.seal import seal
from toppcloud.account import Account, find_account, this_account
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.durations import now_utc
from toppcloud.files import remove_tree
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings
from toppcloud.slug import Slug


@dataclass
class Repository:
    """An object store in memory. A value is a file's content, (mode, content), or a folder of such."""

    store: MemoryObjectStore = field(default_factory=MemoryObjectStore)

    def tree(self, files: Mapping[str | bytes, object]) -> bytes:
        """The id of a tree: {"blog/views.py": "…", "link": (0o120000, "blog")}."""
        tree = Tree()
        folders: dict[bytes, dict[str | bytes, object]] = {}
        for path, value in files.items():
            name, _, rest = os.fsencode(path).partition(b"/")
            if rest:
                folders.setdefault(name, {})[rest] = value
                continue
            mode, content = value if isinstance(value, tuple) else (0o100644, value)
            blob = Blob.from_string(content if isinstance(content, bytes) else str(content).encode())
            self.store.add_object(blob)
            tree.add(name, mode, blob.id)
        for name, inner in folders.items():
            tree.add(name, 0o40000, self.tree(inner))
        self.store.add_object(tree)
        return tree.id


@dataclass
class Builder:
    """Pushes trees of one app, one after the other, each on top of the one before."""

    node: Node
    app: AppLayout
    repository: Repository = field(default_factory=Repository)
    previous: Slug | None = None
    lines: list[str] = field(default_factory=list)
    cancelled_by: str | None = None
    uses_cache: bool = True
    buildpacks: tuple[str, ...] = ()

    def push(self, files: Mapping[str | bytes, object], environment: Mapping[str, str] | None = None) -> Slug:
        """Export, build and seal. What the pusher sees is in `lines`."""
        repository = self.repository
        layout = self.app.slug(choose_slug_id("a41c9e2f" * 5, now_utc()))
        layout.folder.mkdir(parents=True)
        self.lines = []
        console = Console(self.lines.append)
        try:
            older = self.app.slug(self.previous.id) if self.previous and self.uses_cache else None
            earlier = read_provenance(older) if older else None
            exported = export_tree(repository.store, repository.tree(files), layout.source, earlier)
            request = BuildRequest(
                node=self.node,
                app=self.app,
                slug=layout,
                commit="a41c9e2f" * 5,
                subject="Add search",
                environment=environment or {},
                previous=self.previous,
                is_cancelled=lambda: self.cancelled_by,
                uses_cache=self.uses_cache,
                buildpacks=self.buildpacks,
                exported=exported,
            )
            slug = build(request, console)
            seal(layout, slug, self.app.slug(self.previous.id) if self.previous else None, self.node.account)
        except BaseException:
            remove_tree(layout.folder)
            raise
        self.previous = slug
        return slug

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture(scope="session")
def account() -> Account:
    """Who runs pushed code here: never root."""
    nobody = find_account("nobody")
    return nobody if nobody and os.geteuid() == 0 else this_account()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can reach, unlike tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="toppcloud-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, onerror=_open_first)


@pytest.fixture(scope="session")
def node(account: Account) -> Iterator[Node]:
    """A node's folder for all tests that install packages, so that they share uv's cache."""
    root = Path(tempfile.mkdtemp(prefix="toppcloud-node-"))
    root.chmod(0o755)
    yield Node(Layout(root), NodeSettings(), account)
    shutil.rmtree(root, onerror=_open_first)


@pytest.fixture
def builder(node: Node, request: pytest.FixtureRequest) -> Builder:
    app = node.layout.app(f"app-{abs(hash(request.node.nodeid)) % 10**9}")
    app.slugs.mkdir(parents=True)
    return Builder(node, app)


@pytest.fixture
def write_project(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Files of a project on disk, for what only reads them."""

    def write(files: Mapping[str, str]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def _open_first(function: Callable[[str], object], path: str, error: object) -> None:
    Path(path).parent.chmod(0o700)
    Path(path).chmod(0o700)
    shutil.rmtree(path) if Path(path).is_dir() else function(path)
