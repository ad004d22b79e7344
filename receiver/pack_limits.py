"""How much one push may send, and the refusal of one that sends more."""

from __future__ import annotations

from dataclasses import dataclass

from toppcloud.durations import render_size
from toppcloud.errors import ToppcloudError
from toppcloud.settings import NodeSettings

MOST_OBJECTS = 10_000_000
_MB = 1_000_000


@dataclass(frozen=True)
class PackLimits:
    """What one push may send."""

    pack_bytes: int
    inflated_bytes: int
    blob_bytes: int


def choose_limits(settings: NodeSettings) -> PackLimits:
    """The limits in node.toml."""
    return PackLimits(
        settings.largest_pack_mb * _MB, settings.largest_inflated_mb * _MB, settings.largest_blob_mb * _MB
    )


class PackRefused(ToppcloudError):
    """The pack is too large, or no pack at all."""


def broken_pack(why: str) -> PackRefused:
    """The refusal of what is not a pack, for the reason `why`."""
    return PackRefused("What was sent is not a whole pack.", why, "Push again.", reason="broken pack")


def too_large(what: str, limit_bytes: int, setting: str, reason: str) -> PackRefused:
    """The refusal of a push with `what` above the limit that `setting` names."""
    return PackRefused(
        f"The push holds a {what} of more than {render_size(limit_bytes)}.",
        f"That is the limit on this node ({setting} in node.toml).",
        "Take what is large out of the commits, or raise the limit.",
        reason=reason,
    )


def too_many(objects: int) -> PackRefused:
    """The refusal of a pack that says that it has so many objects."""
    return PackRefused(f"The push has {objects} objects.", f"{MOST_OBJECTS} are the most.", reason="too many objects")
