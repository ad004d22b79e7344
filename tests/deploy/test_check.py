"""What the check reads in an answer."""

from __future__ import annotations

import pytest

from deploy.check import find_secure_location


@pytest.mark.parametrize(
    ("location", "is_told"),
    [
        (b"https://blog.localhost/", True),
        (b"HTTPS://Blog.localhost:8080/a?b", True),
        (b"http://blog.localhost/", False),
        (b"https://blog.localhost.example.com/", False),
        (b"https://www.example.com/", False),
        (b"https://[", False),
        (b"/login", False),
        (b"", False),
    ],
)
def test_only_a_redirect_to_the_same_host_by_https_is_told(location: bytes, is_told: bool) -> None:
    head = b"HTTP/1.1 301 Moved\r\nServer: x\r\nLOCATION: %s\r\n\r\nLocation: https://blog.localhost/" % location
    assert find_secure_location(head, "blog.localhost:8080") == (location.decode() if is_told else "")


def test_an_answer_without_location_leads_nowhere() -> None:
    assert find_secure_location(b"HTTP/1.1 200 OK\r\n", "blog.localhost") == ""
