"""What a push costs when the repository has many files and next to nothing changed: the whole, and the slug's part."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from dulwich.repo import Repo

from benchmarks.figure import Figure, at_most, render
from benchmarks.large_repository import large_files
from benchmarks.live_node import LiveNode, Repository
from benchmarks.plot import Line, Panel, render_plot
from benchmarks.pushes import push, push_app
from benchmarks.rest import wait_until_drained
from benchmarks.scale import Scale
from benchmarks.section import Section
from benchmarks.table import Table
from hooks.cancellation import Cancellation
from hooks.pipeline import Delivery, make_slug
from toppcloud.console import Console
from toppcloud.files import remove_tree
from toppcloud.lock import hold_lock
from toppcloud.node import open_node

LARGE = 20_000
SIZES = (100, 1000, 5000, LARGE)
PUSHES = 7
_HEADER = ("files", "unchanged push", "one file changed", "slug: export, build, seal", "git checkout-index", "factor")


@dataclass
class Measured:
    """A repository of so many files."""

    files: int
    unchanged_s: list[float] = field(default_factory=list)
    changed_s: list[float] = field(default_factory=list)
    slugs_s: list[float] = field(default_factory=list)
    checkouts_s: list[float] = field(default_factory=list)

    @property
    def factor(self) -> float:
        return statistics.median(self.slugs_s) / statistics.median(self.checkouts_s)

    def row(self) -> tuple[str, ...]:
        seconds = (self.unchanged_s, self.changed_s, self.slugs_s, self.checkouts_s)
        return (
            f"{self.files:,}",
            *(render(statistics.median(values), "s") for values in seconds),
            f"{self.factor:.2f} x",
        )


def measure_large_pushes(scale: Scale) -> Section:
    sizes = (SIZES[0], LARGE) if scale.is_quick else SIZES
    measured = []
    for size in sizes:
        with LiveNode.running() as node:
            measured.append(_measure(node, size, scale.count(PUSHES)))
    large = measured[-1]
    name = f"{LARGE:,} files"
    checkout = f"checkout-index {render(statistics.median(large.checkouts_s), 's')}"
    return Section(
        "Pushes of a large repository",
        [
            "A fifth of the files are Python, each has 100 bytes to 8 KB. Unchanged: an empty commit, `git push` from "
            "its start to its end, the release before drained. Changed: one line of one file. The slug's part is what "
            "the node does between the received pack and the cutover: export, build with the virtualenv that is there, "
            "seal. It takes turns with `git checkout-index` of the same tree on the same disk, which flushes nothing. "
            "The release's own copy of the source, which apps may write to, is part of the whole alone.",
        ],
        [
            Figure(f"{name}: unchanged push", large.unchanged_s, "s", at_most(1.5)),
            Figure(f"{name}: push of one changed file", large.changed_s, "s", at_most(1.5)),
            Figure(f"{name}: the slug's part, unchanged", large.slugs_s, beside=checkout),
            Figure(f"{name}: the slug's part against checkout-index", [large.factor], "x", at_most(2)),
        ],
        [Table(_HEADER, [one.row() for one in measured])],
        data={"large": [vars(one) for one in measured]},
        plots={"files.svg": _render_growth(measured)} if len(measured) > 1 else {},
    )


def change_a_file(index: int) -> dict[str, str]:
    """One line of a file of the large repository, new each time."""
    return {"part000/text00001.txt": f"Line 0 of text 1, for somebody, {index}.\n"}


def _measure(node: LiveNode, size: int, count: int) -> Measured:
    app = f"files-{size}"
    repository = push_app(node, app, large_files(size, "0"))
    measured = Measured(size)
    for index in range(count):
        repository.commit("Nothing new", {})
        measured.unchanged_s.append(_measure_push(repository))
        repository.commit("One line", change_a_file(index))
        measured.changed_s.append(_measure_push(repository))
    for _ in range(count):
        measured.slugs_s.append(_measure_slug(node, app))
        measured.checkouts_s.append(_measure_checkout(node, app))
    return measured


def _measure_push(repository: Repository) -> float:
    wait_until_drained(repository.node, repository.app)
    began = time.monotonic()
    push(repository)
    return time.monotonic() - began


def _measure_slug(node: LiveNode, name: str) -> float:
    """By the node's own code, in this process; the slug is removed again."""
    opened = open_node(node.root)
    app = opened.layout.app(name)
    with Repo(str(app.repository)) as repository:
        commit = repository.refs[b"refs/heads/main"].decode()
        delivery = Delivery("rebuild", "bench", commit, None, repository.object_store)
        with hold_lock(app.build_lock, by="bench", doing="building"):
            began = time.monotonic()
            built = make_slug(opened, app, delivery, Cancellation(), Console(lambda _: None))
            took_s = time.monotonic() - began
            remove_tree(app.slug(built.slug.id).folder)
    return took_s


def _measure_checkout(node: LiveNode, name: str) -> float:
    target = node.folder / "checked-out"
    target.mkdir()
    git = ["git", "--git-dir", str(node.layout.app(name).repository), "--work-tree", str(target)]
    environment = {**os.environ, "GIT_INDEX_FILE": str(node.folder / "checked-out.index")}
    _run([*git, "read-tree", "main"], environment, target)
    began = time.monotonic()
    _run([*git, "checkout-index", "--all", "--quiet"], environment, target)
    took_s = time.monotonic() - began
    remove_tree(target)
    return took_s


def _run(argv: list[str], environment: dict[str, str], folder: Path) -> None:
    subprocess.run(argv, env=environment, cwd=folder, check=True)


def _render_growth(measured: list[Measured]) -> str:
    def medians(values: list[list[float]]) -> list[float]:
        return [statistics.median(one) for one in values]

    return render_plot(
        "files",
        [one.files for one in measured],
        [
            Panel(
                "git push, nothing or one line changed",
                "s",
                [
                    Line("unchanged", medians([one.unchanged_s for one in measured])),
                    Line("changed", medians([one.changed_s for one in measured])),
                ],
            ),
            Panel(
                "the slug's part of it",
                "s",
                [
                    Line("slug", medians([one.slugs_s for one in measured])),
                    Line("checkout-index", medians([one.checkouts_s for one in measured])),
                ],
            ),
        ],
    )
