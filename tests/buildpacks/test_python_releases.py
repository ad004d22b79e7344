from datetime import date

import pytest

from buildpacks.python_releases import RELEASES, Standing, judge, list_supported
from buildpacks.python_version import EXAMPLE
from toppcloud.durations import now_utc

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("minor", "standing"),
    [
        ("2.7", Standing.ENDED),
        ("1.5", Standing.ENDED),
        ("3.9", Standing.ENDED),
        ("3.10", Standing.ENDING),
        ("3.11", Standing.SUPPORTED),
        ("3.15", Standing.SUPPORTED),
        ("3.16", Standing.UNRELEASED),
        ("3.99", Standing.UNKNOWN),
        ("4.0", Standing.UNKNOWN),
    ],
)
def test_where_a_version_stands(minor, standing):
    assert judge(minor, TODAY) is standing


@pytest.mark.parametrize(
    ("today", "standing"),
    [
        (date(2026, 4, 1), Standing.SUPPORTED),
        (date(2026, 6, 1), Standing.ENDING),
        (date(2027, 1, 31), Standing.ENDING),
        (date(2027, 2, 1), Standing.ENDED),
    ],
)
def test_its_end_is_told_half_a_year_before_and_refused_three_months_after(today, standing):
    assert judge("3.10", today) is standing


def test_supported_ones_are_those_with_years_to_come():
    assert list_supported(TODAY) == ("3.11", "3.12", "3.13", "3.14", "3.15")


def test_every_release_ends_after_it_came():
    assert all(release.released < release.end_of_life for release in RELEASES.values())


def test_the_version_that_messages_propose_is_supported():
    assert judge(EXAMPLE, now_utc().date()) is Standing.SUPPORTED
