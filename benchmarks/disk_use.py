"""What a push leaves on the disk: beside the code that changed, and after many pushes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, at_most, render
from benchmarks.large_pushes import LARGE, change_a_file
from benchmarks.large_repository import large_files
from benchmarks.live_node import LiveNode, Repository
from benchmarks.pushes import push, push_app
from benchmarks.rest import wait_until_drained
from benchmarks.sample_apps import flask_files, flask_source
from benchmarks.scale import Scale
from benchmarks.section import Section
from toppcloud.layout import Layout

KEPT = 3
CHANGES, PUSHES = 5, 10
_KB = 1000


def measure_disk_use(scale: Scale) -> Section:
    with LiveNode.running() as node:
        small = push_app(node, "small", flask_files("0"))
        large = push_app(node, "large", large_files(LARGE, "0"))
        added = {
            "small app": _measure_changes(small, scale.count(CHANGES)),
            f"{LARGE:,} files": _measure_changes(large, scale.count(CHANGES)),
        }
        copies = [count_sources(node.layout, name) for name in ("small", "large")]
    grown = _measure_growth()
    return Section(
        "Disk",
        [
            "Blocks of files, links and folders, everything with several names counted once. Added: by a push that "
            "changes one line of one file, of 60 bytes to 1 KB, once the release before is drained; slug, release, "
            "repository and log of the app, and by part. Copies: sources of releases once they are drained. Ten "
            f"pushes: of the small app with kept_releases = {KEPT}, against four.",
        ],
        [
            *(
                Figure(f"{name}: added by a changed line", [one["all"] / _KB for one in values], "KB", at_most(100))
                for name, values in added.items()
            ),
            *(
                Figure(f"{name}: of that the {part}", [one[part] / _KB for one in values], "KB")
                for name, values in added.items()
                for part in ("slug", "release", "repository")
            ),
            Figure("copies of the source at rest, an app", copies, "", at_most(1)),
            Figure(
                "ten pushes against four",
                [grown[9] / grown[3]],
                "x",
                at_most(1.05),
                beside=f"{render(grown[3] / _KB, 'KB')} and {render(grown[9] / _KB, 'KB')}",
            ),
        ],
        data={"after_each_push_bytes": grown},
    )


def measure_blocks(*tops: Path) -> int:
    """Bytes on the disk of all that lies in these folders, each inode counted once."""
    blocks = {(info.st_dev, info.st_ino): info.st_blocks for top in tops for info in _stat_all(top)}
    return sum(blocks.values()) * 512


def count_sources(layout: Layout, name: str) -> int:
    """How many releases of the app have a copy of their source."""
    app = layout.app(name)
    return sum(app.release(number).source.exists() for number in app.release_numbers())


def _stat_all(top: Path) -> Iterator[os.stat_result]:
    yield top.lstat()
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            yield Path(folder, name).lstat()


def _measure_changes(repository: Repository, count: int) -> list[dict[str, int]]:
    """Bytes added by each push, in all and by part. Of two sources the live one is counted: the other one goes."""
    push_and_rest(repository, -1)
    before = _measure_parts(repository)
    added = []
    for index in range(count):
        push_and_rest(repository, index)
        now = _measure_parts(repository)
        added.append({part: now[part] - before[part] for part in now})
        before = now
    return added


def push_and_rest(repository: Repository, index: int) -> None:
    """One changed line, in the small app's answer or in a text of the large one."""
    large = (repository.path / "part000").is_dir()
    repository.commit("One line", change_a_file(index) if large else flask_source(f"{index:03d}"))
    push(repository)
    wait_until_drained(repository.node, repository.app)


def _measure_parts(repository: Repository) -> dict[str, int]:
    app = repository.node.layout.app(repository.app)
    return {
        "all": measure_blocks(app.folder),
        "slug": measure_blocks(app.slugs),
        "release": measure_blocks(app.releases),
        "repository": measure_blocks(app.repository),
    }


def _measure_growth() -> list[int]:
    """Bytes of a small app after each of ten pushes."""
    node = LiveNode.in_new_folder()
    try:
        node.root.mkdir()
        node.layout.node_toml.write_text(f"kept_releases = {KEPT}\n")
        node.start()
        repository = push_app(node, "growing", flask_files("0"))
        sizes = []
        for index in range(PUSHES):
            push_and_rest(repository, index)
            sizes.append(_measure_parts(repository)["all"])
        return sizes
    finally:
        node.remove()
