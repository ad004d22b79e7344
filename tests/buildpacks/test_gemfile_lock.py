"""What of Gemfile.lock counts."""

from __future__ import annotations

import pytest

from buildpacks.gemfile_lock import GemfileLock, parse_gemfile_lock, suits_platform

LOCK = """\
GIT
  remote: https://example.com/tool.git
  revision: 3f1c
  specs:
    tool (0.2.0)

GEM
  remote: https://gems.example.com/
  specs:
    nokogiri (1.16.0-x86_64-linux)
      racc (~> 1.4)
    racc (1.7.3)

PLATFORMS
  x86_64-linux

DEPENDENCIES
  nokogiri
  tool!

RUBY VERSION
   ruby 3.1.2p20

BUNDLED WITH
   2.3.15
"""


def test_gems_platforms_and_versions_are_read():
    lock = parse_gemfile_lock(LOCK)
    assert lock.gems == {"tool": "0.2.0", "nokogiri": "1.16.0-x86_64-linux", "racc": "1.7.3"}
    assert lock.fetched == ("nokogiri-1.16.0-x86_64-linux", "racc-1.7.3")
    assert (lock.platforms, lock.ruby, lock.bundler) == (("x86_64-linux",), "3.1.2", "2.3.15")


def test_crlf_and_a_mark_at_the_start_are_no_fault():
    assert parse_gemfile_lock("\N{ZERO WIDTH NO-BREAK SPACE}" + LOCK.replace("\n", "\r\n")) == parse_gemfile_lock(LOCK)


def test_what_is_no_lock_has_nothing():
    assert parse_gemfile_lock("<<<<<<< HEAD\n    (\n") == GemfileLock()


@pytest.mark.parametrize(
    ("platforms", "expected"),
    [
        ((), True),
        (("ruby",), True),
        (("arm64-darwin-23", "x86_64-linux"), True),
        (("x86_64-linux-gnu",), True),
        (("arm64-darwin-23",), False),
        (("aarch64-linux",), False),
    ],
)
def test_lock_for_other_machines_is_told(platforms, expected):
    assert suits_platform(GemfileLock(platforms=platforms), "x86_64-linux") is expected
