"""Which symbolic links of a tree lead outside it. Pure: judged before any of them is written."""

from __future__ import annotations

from collections.abc import Mapping

_MOST_HOPS = 40


def find_outward_links(links: Mapping[bytes, bytes]) -> list[bytes]:
    """The paths in `links` ({b"a/link": b"../target"}) that lead above the top, through other links too.

    An absolute target, an empty one or one with a NUL counts as outside. A loop leads nowhere, so it stays.
    """
    return [path for path in links if _leads_outside(path, links)]


def _leads_outside(path: bytes, links: Mapping[bytes, bytes]) -> bool:
    """Walk the link as the kernel would, with the parts still to go in `rest`."""
    here: list[bytes] = []
    rest = path.split(b"/")[::-1]
    hops = 0
    while rest:
        part = rest.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            if not here:
                return True
            here.pop()
            continue
        here.append(part)
        target = links.get(b"/".join(here))
        if target is None:
            continue
        hops += 1
        if hops > _MOST_HOPS:
            return False
        if not target or target.startswith(b"/") or b"\0" in target:
            return True
        here.pop()
        rest.extend(target.split(b"/")[::-1])
    return False
