"""A site of nothing but files, and files beside an app, pushed behind each router; and the node's domain changed."""

from __future__ import annotations

import pytest

from tests.plain_app import plain_files

pytestmark = [pytest.mark.node, pytest.mark.git]
SITE = {"index.html": "<p>first", "404.html": "<p>no such page here", "docs/index.html": "<p>docs", "style.css": "p {}"}


@pytest.fixture(scope="module")
def site(routed):
    """Pushed, live, and seen."""
    repository = routed.repository("site", SITE)
    said = repository.push()
    assert said.status == 0, said.all
    assert "a static site, no process" in said.all
    assert "http://site.localhost" in said.all
    return repository


def test_site_is_served_without_a_process(routed, site):
    answer = routed.request("site", "/")
    assert (answer.status, answer.text) == (200, "<p>first")
    assert routed.request("site", "/docs/").text == "<p>docs"
    assert "no web process" in site.toppcloud("ps").out
    assert "nothing to let sleep" in site.toppcloud("ps:sleep").err
    assert "v1 has: none" in site.toppcloud("ps:scale", "web=2").err
    assert not list(routed.layout.pids.glob("site.*"))


def test_what_the_site_has_not_is_answered_with_its_own_page(routed, site):
    answer = routed.request("site", "/missing")
    assert (answer.status, answer.text) == (404, "<p>no such page here")


def test_deploy_and_rollback_change_the_files(routed, site):
    site.commit("Second", {"index.html": "<p>second"})
    assert site.push().status == 0
    assert routed.request("site", "/").text == "<p>second"
    said = site.toppcloud("rollback")
    assert said.status == 0, said.all
    assert routed.request("site", "/").text == "<p>first"


def test_stopped_site_serves_nothing_until_it_is_started(routed, site):
    assert site.toppcloud("ps:stop").status == 0
    for path in ("/", "/missing"):
        answer = routed.request("site", path)
        assert answer.status == 503
        assert "no such page" not in answer.text
    said = site.toppcloud("ps:start")
    assert said.status == 0, said.all
    assert routed.request("site", "/").status == 200
    assert routed.request("site", "/missing").status == 404


def test_files_beside_an_app_are_served_by_the_router(routed):
    files = {**plain_files(), "toppcloud.toml": '[web]\nstatic = "public"\n', "public/logo.svg": "<svg/>"}
    repository = routed.repository("mixed", files)
    said = repository.push()
    assert said.status == 0, said.all
    answer = routed.request("mixed", "/logo.svg")
    assert (answer.status, answer.text) == (200, "<svg/>")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert routed.request("mixed", "/").status == 200


def test_site_is_there_after_a_restart_of_the_node_and_at_its_new_domain(routed, site):
    router = routed.node("status", "--json")
    assert router.status == 0
    assert site.toppcloud("domains:add", "www.example.com").status == 0
    assert routed.stop().status == 0
    routed.start("--domain", "Apps.Example.com")
    assert routed.request("site.apps.example.com").text == "<p>first"
    assert routed.request("www.example.com").text == "<p>first"
    assert routed.request("site.localhost").status == 404
    assert routed.node("doctor").status == 0, routed.node("doctor").all
