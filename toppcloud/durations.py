"""Spans of time as people write them (`90`, `90s`, `15m`, `2h`) and as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from toppcloud.errors import ToppcloudError

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)\Z")


def parse_duration(value: str | int | float) -> float:
    """Seconds in `90`, `"90"`, `"90s"`, `"1.5m"`, `"2h"`, `"1d"`. Not negative."""
    match = _DURATION.match(str(value).strip()) if not isinstance(value, bool) else None
    if not match:
        raise ToppcloudError(
            f"'{value}' is not a duration.", "Write seconds, or a number with s, m, h or d.", "Example: 90s"
        )
    return float(match[1]) * _UNITS_S[match[2]]


def render_span(seconds: float) -> str:
    """`30 min`, `2 h`, `90 min`, `1.5 s`: in the largest unit that it is a whole number of."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def render_age(then: datetime, now: datetime) -> str:
    """`8 s ago`, `2 min ago`, `3 h ago`, `yesterday`, `5 d ago`."""
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 90:
        return f"{seconds} s ago"
    if seconds < 90 * 60:
        return f"{seconds // 60} min ago"
    if seconds < 36 * 3600:
        return f"{round(seconds / 3600)} h ago"
    days = round(seconds / 86400)
    return "yesterday" if days == 1 else f"{days} d ago"


def render_size(size_bytes: int) -> str:
    """`12 MB`, `1.4 MB`, `3 kB`: what a person needs of a size."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            value = size_bytes / factor
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{size_bytes} bytes"


def now_utc() -> datetime:
    """The moment, with its time zone."""
    return datetime.now(UTC)


def render_iso(moment: datetime) -> str:
    """`2026-11-22T14:45:04Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str) -> datetime:
    """The moment that `render_iso` wrote."""
    return datetime.fromisoformat(text)
