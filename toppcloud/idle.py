"""How long an app may go unvisited before it sleeps: `15m`, `90s`, or `never`."""

from __future__ import annotations

from toppcloud.durations import parse_duration
from toppcloud.errors import ToppcloudError

NEVER = "never"
_SHORTEST_S = 1.0


def parse_idle(value: str | int | float) -> float | None:
    """Seconds in `15m`; None for `never`. Raises ToppcloudError for what is no time, or shorter than a second."""
    if isinstance(value, str) and value.strip().lower() == NEVER:
        return None
    try:
        seconds = parse_duration(value)
    except ToppcloudError as error:
        raise _refusal(value, "It is a time without a visit, or 'never'.") from error
    if seconds < _SHORTEST_S:
        raise _refusal(value, "An app that sleeps at once would wake for every request: a second is the least.")
    return seconds


def choose_idle(app: str | None, slug: str | None, node: str) -> float | None:
    """Seconds, or None for never: what `ps:idle` set, else the release's `[web] idle`, else the node's."""
    return parse_idle(app or slug or node)


def _refusal(value: object, why: str) -> ToppcloudError:
    return ToppcloudError(f"'{value}' is no idle time.", why, "Examples: 15m, 2h, never", status=2)
