"""The names that apps have by themselves, when the node's domain changes."""

from __future__ import annotations

import pytest

from deploy.own_hosts import find_owner, move_own_hosts, parse_domain
from toppcloud.errors import ToppcloudError
from toppcloud.files import swap_symlink
from toppcloud.layout import Layout


@pytest.fixture
def layout(tmp_path):
    """A node with the apps blog and shop, made for the domain localhost; blog is called www.example.com as well."""
    layout = Layout(tmp_path)
    layout.routes.mkdir()
    move_own_hosts(layout, "localhost")
    for app in ("blog", "shop"):
        layout.app(app).folder.mkdir(parents=True)
        swap_symlink(layout.route(f"{app}.localhost"), f"../apps/{app}")
    swap_symlink(layout.route("www.example.com"), "../apps/blog")
    return layout


def routes(layout):
    return {path.name: path.readlink().name for path in layout.routes.iterdir()}


def test_other_domain_moves_own_names_and_leaves_the_rest(layout):
    assert move_own_hosts(layout, "apps.example.com") == 2
    assert routes(layout) == {
        "blog.apps.example.com": "blog",
        "shop.apps.example.com": "shop",
        "www.example.com": "blog",
    }
    assert move_own_hosts(layout, "apps.example.com") == 0


def test_interrupted_move_is_taken_up_again(layout):
    swap_symlink(layout.route("blog.apps.example.com"), "../apps/blog")
    layout.route("blog.localhost").unlink()
    assert move_own_hosts(layout, "apps.example.com") == 2
    assert set(routes(layout)) == {"blog.apps.example.com", "shop.apps.example.com", "www.example.com"}


def test_name_that_is_another_apps_already_refuses_and_changes_nothing(layout):
    swap_symlink(layout.route("shop.apps.example.com"), "../apps/blog")
    before = routes(layout)
    with pytest.raises(ToppcloudError, match=r"shop\.apps\.example\.com leads to blog"):
        move_own_hosts(layout, "apps.example.com")
    assert routes(layout) == before


def test_old_name_that_was_given_to_another_app_stays_there(layout):
    swap_symlink(layout.route("shop.localhost"), "../apps/blog")
    move_own_hosts(layout, "apps.example.com")
    assert find_owner(layout, "shop.localhost") == "blog"


@pytest.mark.parametrize(
    ("text", "domain"), [("Apps.Example.com", "apps.example.com"), ("localhost", "localhost"), ("a.b.", "a.b")]
)
def test_domain_is_spelled_as_dns_does(text, domain):
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text", ["", "*.example.com", "-x.com", "a..b", "example.com/x", "10.0.0.1", "x" * 70, "ü.com"]
)
def test_what_is_no_domain_is_refused(text):
    with pytest.raises(ToppcloudError, match="is not a domain"):
        parse_domain(text)
