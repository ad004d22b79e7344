"""A session of ana's on a node that has an app and runs nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from deploy.app import create_app
from receiver.session import Session
from toppcloud.account import this_account
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings


@pytest.fixture
def session(tmp_path: Path) -> Session:
    layout = Layout(tmp_path)
    layout.apps.mkdir()
    layout.routes.mkdir()
    node = Node(layout, NodeSettings(), this_account())
    create_app(node, "blog")
    return Session(node, "ana", io.BytesIO(), io.BytesIO(), io.BytesIO())
