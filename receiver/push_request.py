"""What a pusher's git asks for, before the pack: parsed from the wire, nothing decided.

    shallow 9b1f0c2...
    9b1f0c2... a41c9e2... refs/heads/main\\0 report-status side-band-64k atomic push-options
    (flush)
    leave-files
    (flush)

Source: https://git-scm.com/docs/gitprotocol-pack ("Pushing Data To a Server").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dulwich.errors import GitProtocolError
from dulwich.objects import ObjectID, valid_hexsha
from dulwich.protocol import CAPABILITY_ATOMIC, CAPABILITY_PUSH_OPTIONS, ZERO_SHA, Protocol, extract_capabilities

from receiver.references import ReferenceUpdate

_MOST_LINES = 100_000
_MOST_OPTIONS = 100


@dataclass(frozen=True)
class PushRequest:
    """The lines of a push."""

    updates: tuple[ReferenceUpdate, ...]
    shallow: frozenset[ObjectID]
    """Commits at which the pusher's own history ends."""
    options: tuple[str, ...]
    is_atomic: bool

    @property
    def has_pack(self) -> bool:
        """Whether a pack follows: it does unless everything is deleted."""
        return any(update.new for update in self.updates)


def read_request(proto: Protocol, accept_capabilities: Callable[[list[bytes]], None]) -> PushRequest | None:
    """Read up to where the pack begins; None when nothing is to be updated.

    `accept_capabilities` is given what the pusher chose, and raises GitProtocolError when that was not offered.
    Raises GitProtocolError (HangupException is one) for anything else than a request.
    """
    updates: list[ReferenceUpdate] = []
    shallow: set[ObjectID] = set()
    capabilities: list[bytes] = []
    for _ in range(_MOST_LINES):
        line = proto.read_pkt_line()
        if line is None:
            break
        if line.startswith(b"shallow "):
            shallow.add(_parse_name(line[8:].rstrip(b"\n")))
            continue
        if not updates:
            line, capabilities = _split_capabilities(line)
            accept_capabilities(capabilities)
        updates.append(_parse_update(line.rstrip(b"\n")))
    else:
        raise GitProtocolError("too many lines in one push")
    if not updates:
        return None
    options = _read_options(proto) if CAPABILITY_PUSH_OPTIONS in capabilities else ()
    return PushRequest(tuple(updates), frozenset(shallow), options, CAPABILITY_ATOMIC in capabilities)


def _read_options(proto: Protocol) -> tuple[str, ...]:
    options: list[str] = []
    for line in proto.read_pkt_seq():
        if len(options) == _MOST_OPTIONS:
            raise GitProtocolError("too many push options")
        options.append(line.rstrip(b"\n").decode("utf-8", "replace"))
    return tuple(options)


def _split_capabilities(line: bytes) -> tuple[bytes, list[bytes]]:
    try:
        return extract_capabilities(line)
    except ValueError as error:
        raise GitProtocolError(f"not a line of a push: {line[:100]!r}") from error


def _parse_update(line: bytes) -> ReferenceUpdate:
    old, _, rest = line.partition(b" ")
    new, _, name = rest.partition(b" ")
    if not name:
        raise GitProtocolError(f"not a line of a push: {line[:100]!r}")
    return ReferenceUpdate(name.decode("utf-8", "surrogateescape"), _parse_value(old), _parse_value(new))


def _parse_value(text: bytes) -> ObjectID | None:
    return None if text == ZERO_SHA else _parse_name(text)


def _parse_name(text: bytes) -> ObjectID:
    if len(text) != 40 or not valid_hexsha(text):
        raise GitProtocolError(f"not an object's name: {text[:100]!r}")
    return ObjectID(text.lower())
