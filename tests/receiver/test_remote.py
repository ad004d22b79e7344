"""The git remote's address."""

from __future__ import annotations

import pytest

from receiver.remote import Remote, parse_remote_url
from toppcloud.errors import ToppcloudError


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("ssh://toppcloud@127.0.0.1:2222/blog", Remote("127.0.0.1", 2222, "blog")),
        ("ssh://toppcloud@127.0.0.1:2222/blog.git", Remote("127.0.0.1", 2222, "blog")),
        ("ssh://toppcloud@server/blog/", Remote("server", None, "blog")),
        ("ssh://server/blog", Remote("server", None, "blog")),
        ("git+ssh://toppcloud@server/blog", Remote("server", None, "blog")),
        ("ssh://toppcloud@[::1]:2222/blog", Remote("::1", 2222, "blog")),
        ("toppcloud@server:blog", Remote("server", None, "blog")),
        ("toppcloud@server:/blog.git", Remote("server", None, "blog")),
        ("server:blog", Remote("server", None, "blog")),
        ("deploy@[::1]:blog", Remote("::1", None, "blog", "deploy")),
    ],
)
def test_addresses_that_git_knows_are_understood(url, remote):
    assert parse_remote_url(url) == remote


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/blog",
        "/srv/blog",
        "blog",
        "ssh://-oProxyCommand=id/blog",
        "ssh://toppcloud@server:99999999/blog",
        "-oProxyCommand=id:blog",
        "ssh://toppcloud@server:2222",
        "ssh://toppcloud@server/a/b",
        "toppcloud@server:../etc",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(ToppcloudError):
        parse_remote_url(url)


@pytest.mark.parametrize(
    "url", ["ssh://toppcloud@127.0.0.1:2222/blog", "ssh://toppcloud@[::1]:2222/blog", "ssh://toppcloud@server/blog"]
)
def test_address_survives_a_round_trip(url):
    assert parse_remote_url(url).url == url
