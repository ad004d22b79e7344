"""The pusher's side of the connection, read exactly: not one byte more than asked for is taken."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

from receiver.pack_meter import PackMeter
from toppcloud.errors import ToppcloudError

SILENCE_S = 1800.0
_CHUNK = 65536
_DRAIN_BYTES = 64 * 1024 * 1024
_DRAIN_S = 10.0


class Wire:
    """Reads from a descriptor. Raises ToppcloudError when the other side says nothing for `silence_s`."""

    def __init__(self, fd: int, *, silence_s: float = SILENCE_S) -> None:
        self._fd = fd
        self._silence_s = silence_s

    def read(self, size: int) -> bytes:
        """`size` bytes; fewer when the stream ends."""
        parts: list[bytes] = []
        while size and (part := self.read_some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def read_some(self, size: int = _CHUNK) -> bytes:
        """At least one byte and at most `size`; none when the stream ended."""
        if not _wait_readable(self._fd, self._silence_s):
            raise ToppcloudError("The push went silent.", "Nothing came for half an hour.", reason="connection silent")
        try:
            return os.read(self._fd, size)
        except ConnectionResetError:
            return b""

    def read_pack(self, meter: PackMeter) -> Iterator[bytes]:
        """The chunks of the pack that comes next, each one measured before it is given out."""
        while not meter.is_complete:
            chunk = self.read_some()
            if not chunk:
                raise ToppcloudError(
                    "The push broke off.", "The connection ended within the pack.", "Push again.", reason="broken off"
                )
            meter.feed(chunk)
            yield chunk

    def drain(self) -> None:
        """Read on for a while what nobody wants, so that the pusher's git ends its sentence and reads our answer."""
        deadline, left = time.monotonic() + _DRAIN_S, _DRAIN_BYTES
        while left > 0 and _wait_readable(self._fd, deadline - time.monotonic()):
            try:
                chunk = os.read(self._fd, _CHUNK)
            except OSError:
                return
            if not chunk:
                return
            left -= len(chunk)


def _wait_readable(fd: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))
