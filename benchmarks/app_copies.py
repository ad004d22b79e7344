"""Many apps, quickly: one is pushed, the others are made from its slug by what a deploy itself consists of.

Each has its own folder, route, release, source, start, rendered files and listening socket, and sleeps as an app that
was live and fell asleep: the doorman watches its socket and any visitor wakes it. What a copy saves is git, the build
and its first run: the files of its slug are hard links, its virtualenv is a link to the first app's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from benchmarks.live_node import LiveNode
from deploy.app import create_app
from deploy.app_settings import read_app_settings
from deploy.cutover import activate, render
from deploy.doorman_client import DoormanClient
from deploy.freeze import Origin, freeze
from deploy.release import require_live_release, take_number
from deploy.sleep import mark_asleep
from deploy.web import open_start
from toppcloud.app_layout import AppLayout
from toppcloud.node import Node, open_node
from toppcloud.slug import Slug, read_slug


def copy_name(index: int) -> str:
    """`copy-00042`"""
    return f"copy-{index:05d}"


def make_copies(live: LiveNode, model: str, names: Sequence[str]) -> None:
    """Apps of these names, asleep, each with a release of its own of the model's slug."""
    node = open_node(live.root)
    original = node.layout.app(model)
    slug = read_slug(original.slug(require_live_release(original).slug))
    assert slug is not None
    for name in names:
        make_copy(node, original, slug, name)


def make_copy(node: Node, original: AppLayout, slug: Slug, name: str) -> None:
    app = create_app(node, name)
    shutil.copytree(original.slug(slug.id).folder, app.slug(slug.id).folder, symlinks=True, copy_function=os.link)
    for venv in original.venvs.iterdir():
        app.venv(venv.name).symlink_to(venv)
    layout = take_number(app)
    release = freeze(node, app, layout, slug, {}, None, Origin("push", "Copied", "bench"))
    start = render(node, app, release, slug, read_app_settings(app))
    open_start(node, app, release, slug, start)
    mark_asleep(start.layout)
    activate(app, layout, start)
    DoormanClient(node.layout).attend(app.name, release.version, start.layout.number)
