from __future__ import annotations

import pytest

from toppcloud.errors import ToppcloudError
from toppcloud.names import (
    find_near_app,
    parse_app_name,
    parse_config_key,
    parse_host,
    parse_release_number,
    parse_repository_path,
)


@pytest.mark.parametrize("name", ["abc", "blog", "my-blog", "a1b", "x" * 30])
def test_app_names_that_are_taken(name: str) -> None:
    assert parse_app_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "x" * 31,
        "Blog",
        "1blog",
        "-blog",
        "blog-",
        "my--blog",
        "my_blog",
        "blog.git",
        "blog\n",
        "..",
        "bl/og",
        "admin",
        "ünï",
    ],
)
def test_app_names_that_are_refused(name: str) -> None:
    with pytest.raises(ToppcloudError):
        parse_app_name(name)


@pytest.mark.parametrize("path", ["blog", "/blog", "blog.git", "/blog.git", "blog/", "/blog/"])
def test_six_spellings_of_one_repository(path: str) -> None:
    assert parse_repository_path(path) == "blog"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//blog",
        "blog//",
        "blog.git/",
        "blog/.git",
        "../blog",
        "/x/blog",
        "blog.git.git",
        "~/blog",
        "blog\n",
        "blog.gi",
    ],
)
def test_other_repository_paths_are_refused(path: str) -> None:
    with pytest.raises(ToppcloudError):
        parse_repository_path(path)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("blgo", None),
        ("blo", "blog"),
        ("blogs", "blog"),
        ("bloc", "blog"),
        ("log", "blog"),
        ("blog", None),
        ("shop", None),
    ],
)
def test_a_name_within_one_edit_is_near(name: str, near: str | None) -> None:
    assert find_near_app(name, ["blog", "journal"]) == near


@pytest.mark.parametrize(
    ("text", "host"),
    [("Blog.Example.com", "blog.example.com"), ("*.example.com", "*.example.com"), ("a-b.c0", "a-b.c0")],
)
def test_hosts(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "blog",
        "blog.",
        "-a.com",
        "a..com",
        "a/b.com",
        "host/current",
        "1.2.3.4",
        "*",
        "*.",
        "x." * 45 + "com",
        "a b.com",
    ],
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ToppcloudError):
        parse_host(text)


@pytest.mark.parametrize(
    "key", ["PORT", "SOURCE_VERSION", "TOPPCLOUD_APP", "LISTEN_FDS", "1A", "A-B", "", "A=B", "A\n"]
)
def test_config_keys_that_cannot_be_set(key: str) -> None:
    with pytest.raises(ToppcloudError):
        parse_config_key(key)


def test_release_numbers() -> None:
    assert [parse_release_number(text) for text in ("v18", "18", "V3")] == [18, 18, 3]
    for text in ("", "v", "v0", "-1", "latest", "v1.5", "٣"):
        with pytest.raises(ToppcloudError):
            parse_release_number(text)
