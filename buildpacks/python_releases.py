"""CPython's releases: when each came out, and when its fixes end. Kept by hand, a line a year.

3.14  2025-10-07  2030-10-31

Source: https://devguide.python.org/versions/ (where only a month is given, its last day), looked at in November 2026.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, timedelta

SOURCE = "https://devguide.python.org/versions/"
_GRACE = timedelta(days=92)
_NOTICE = timedelta(days=183)


@dataclass(frozen=True)
class Release:
    """A minor version: `3.14`."""

    minor: str
    released: date
    end_of_life: date


class Standing(enum.Enum):
    """Where a minor version stands on a day."""

    UNKNOWN = "unknown"
    """None of CPython's, or newer than this table."""
    UNRELEASED = "unreleased"
    SUPPORTED = "supported"
    ENDING = "ending"
    """Near its end of life, or less than three months past it."""
    ENDED = "ended"


_TABLE = """
2.6   2008-10-01  2013-10-29
2.7   2010-07-03  2020-01-01
3.0   2008-12-03  2009-06-27
3.1   2009-06-27  2012-04-09
3.2   2011-02-20  2016-02-20
3.3   2012-09-29  2017-09-29
3.4   2014-03-16  2019-03-18
3.5   2015-09-13  2020-09-30
3.6   2016-12-23  2021-12-23
3.7   2018-06-27  2023-06-27
3.8   2019-10-14  2024-10-07
3.9   2020-10-05  2025-10-31
3.10  2021-10-04  2026-10-31
3.11  2022-10-24  2027-10-31
3.12  2023-10-02  2028-10-31
3.13  2024-10-07  2029-10-31
3.14  2025-10-07  2030-10-31
3.15  2026-10-01  2031-10-31
3.16  2027-10-05  2032-10-31
"""
RELEASES = {
    minor: Release(minor, date.fromisoformat(released), date.fromisoformat(ended))
    for minor, released, ended in (line.split() for line in _TABLE.split("\n") if line)
}


def judge(minor: str, today: date) -> Standing:
    """How `3.9` stands today. What came before 2.6 ended long ago."""
    release = RELEASES.get(minor)
    if release is None:
        return Standing.ENDED if _as_numbers(minor) < (2, 6) else Standing.UNKNOWN
    if today < release.released:
        return Standing.UNRELEASED
    if today > release.end_of_life + _GRACE:
        return Standing.ENDED
    return Standing.ENDING if today > release.end_of_life - _NOTICE else Standing.SUPPORTED


def list_supported(today: date) -> tuple[str, ...]:
    """The minor versions that get fixes today, the oldest first; those whose end is near are left out."""
    return tuple(minor for minor in RELEASES if judge(minor, today) is Standing.SUPPORTED)


def _as_numbers(minor: str) -> tuple[int, ...]:
    return tuple(int(number) for number in minor.split("."))
