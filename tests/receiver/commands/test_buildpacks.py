"""What commands say when they change the list of buildpacks."""

from __future__ import annotations

import io

import pytest

from deploy.app import create_app
from receiver.commands import buildpacks
from receiver.session import Session
from toppcloud.account import this_account
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings


@pytest.fixture
def session(tmp_path):
    layout = Layout(tmp_path)
    layout.apps.mkdir()
    layout.routes.mkdir()
    node = Node(layout, NodeSettings(), this_account())
    create_app(node, "blog")
    return Session(node, "ana", io.BytesIO(), io.BytesIO(), io.BytesIO())


def test_one_that_is_added_before_the_first_release_is_said_to_build_alone(session):
    buildpacks.add(session, app="blog", name="nodejs", index=1)
    assert b"this one alone does.\nTo add another: toppcloud buildpacks:add python\n" in session.stdout.getvalue()


def test_nothing_of_the_kind_is_said_of_two(session):
    buildpacks.add(session, app="blog", name="python", index=None)
    session.stdout.seek(0)
    session.stdout.truncate()
    buildpacks.add(session, app="blog", name="nodejs", index=1)
    assert b"alone" not in session.stdout.getvalue()
