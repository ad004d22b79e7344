"""Host names that lead to apps."""

from __future__ import annotations

import io
import json

import pytest

from deploy.app import create_app
from receiver.commands import domains
from receiver.session import Session
from toppcloud.account import this_account
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.settings import NodeSettings


@pytest.fixture
def session(tmp_path):
    layout = Layout(tmp_path)
    layout.apps.mkdir()
    layout.routes.mkdir()
    node = Node(layout, NodeSettings(), this_account())
    for name in ("blog", "shop"):
        create_app(node, name)
    return Session(node, "ana", io.BytesIO(), io.BytesIO(), io.BytesIO())


def hosts(session, app):
    session.stdout.seek(0)
    session.stdout.truncate()
    domains.list_domains(session, app=app, as_json=True)
    return [domain["host"] for domain in json.loads(session.stdout.getvalue())]


def test_app_has_its_own_host_and_others_at_once(session):
    domains.add(session, app="blog", hosts=("Blog.Example.com", "*.blog.example.com"))
    assert hosts(session, "blog") == ["blog.localhost", "*.blog.example.com", "blog.example.com"]
    link = session.node.layout.routes / "_.blog.example.com"
    assert str(link.readlink()) == "../apps/blog"
    domains.remove(session, app="blog", hosts=("blog.example.com",))
    assert hosts(session, "blog") == ["blog.localhost", "*.blog.example.com"]


def test_adding_twice_says_so_and_changes_nothing(session):
    for _ in range(2):
        domains.add(session, app="blog", hosts=("blog.example.com",))
    assert b"leads to blog already." in session.stdout.getvalue()


def test_host_of_another_app_is_refused_with_both_names_and_nothing_is_added(session):
    domains.add(session, app="shop", hosts=("example.com",))
    with pytest.raises(ToppcloudError, match="leads to shop and not to blog"):
        domains.add(session, app="blog", hosts=("new.example.com", "example.com"))
    assert hosts(session, "blog") == ["blog.localhost"]


@pytest.mark.parametrize("host", ["shop.localhost", "later.localhost"])
def test_host_that_another_app_has_or_may_get_by_its_name_is_refused(session, host):
    with pytest.raises(ToppcloudError):
        domains.add(session, app="blog", hosts=(host,))


def test_own_host_stays_and_foreign_ones_are_not_removed(session):
    with pytest.raises(ToppcloudError, match="by itself"):
        domains.remove(session, app="blog", hosts=("blog.localhost",))
    with pytest.raises(ToppcloudError, match="does not lead to blog"):
        domains.remove(session, app="blog", hosts=("shop.localhost",))
    assert hosts(session, "shop") == ["shop.localhost"]


@pytest.mark.parametrize("host", ["", "../blog", "a b.example.com", "localhost", "x" * 90 + ".example.com", "10.0.0.1"])
def test_what_is_no_host_name_is_refused(session, host):
    with pytest.raises(ToppcloudError):
        domains.add(session, app="blog", hosts=(host,))
    assert hosts(session, "blog") == ["blog.localhost"]
