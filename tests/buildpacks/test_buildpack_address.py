"""Which words are addresses of buildpacks, and which are traps."""

from __future__ import annotations

import pytest

from buildpacks.buildpack_address import parse_buildpack_address
from toppcloud.errors import ToppcloudError


@pytest.mark.parametrize(
    ("text", "url", "ref"),
    [
        ("https://github.com/heroku/heroku-buildpack-apt", "https://github.com/heroku/heroku-buildpack-apt", ""),
        ("https://github.com/x/y.git#v1.2", "https://github.com/x/y.git", "v1.2"),
        ("https://github.com/x/y#feature/a-b", "https://github.com/x/y", "feature/a-b"),
        ("http://127.0.0.1:8000/y.tgz", "http://127.0.0.1:8000/y.tgz", ""),
        ("file:///srv/y.git#main", "file:///srv/y.git", "main"),
        ("/srv/buildpacks/y/", "/srv/buildpacks/y", ""),
        (
            "heroku-community/apt",
            "https://buildpack-registry.s3.amazonaws.com/buildpacks/heroku-community/apt.tgz",
            "",
        ),
    ],
)
def test_address_is_understood(text, url, ref):
    address = parse_buildpack_address(text)
    assert (address.url, address.ref) == (url, ref)


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c id",
        "ext::sh%20-c%20id",
        "--upload-pack=id",
        "-oProxyCommand=id",
        "ssh://-oProxyCommand=id/x",
        "ftp://example.com/x",
        "file://elsewhere/x",
        "https:///x",
        "https://example.com/x#--upload-pack=id",
        "https://example.com/x#-b",
        "https://example.com/\nx",
        "../buildpack",
        "./bin",
        "https://example.com/" + "x" * 2000,
        "http://[::1/x",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ToppcloudError, match="no address of a buildpack"):
        parse_buildpack_address(text)


def test_address_for_ssh_is_refused_with_the_one_for_https():
    for text in ("git@github.com:heroku/x.git", "ssh://git@github.com/heroku/x.git", "git://github.com/heroku/x.git"):
        with pytest.raises(ToppcloudError) as caught:
            parse_buildpack_address(text)
        assert "https://github.com/heroku/x.git" in caught.value.cure


def test_credentials_are_never_shown():
    address = parse_buildpack_address("https://ana:s3cret@example.com/x.git#v1")
    assert address.shown == "https://***@example.com/x.git#v1"
    assert address.digest != parse_buildpack_address("https://example.com/x.git#v1").digest
    with pytest.raises(ToppcloudError) as caught:
        parse_buildpack_address("ftp://ana:s3cret@example.com/x.git")
    assert "s3cret" not in " ".join(caught.value.lines())
