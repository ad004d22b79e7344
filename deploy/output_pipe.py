"""One program's output on its way into its app's log: bytes become lines with time, release and process.

    2026-11-22T14:45:04.123Z v12 web.1 Listening at: unix:...

Who prints too much is not made to wait for the disk. Beyond 4 MB at once and 1 MB a second its lines are dropped; each
second the log says how many, and shows the newest of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.rotating_file import RotatingFile

_KEPT_BYTES_PER_S = 1024**2
_KEPT_AT_ONCE_BYTES = 4 * 1024**2
_LAST_BYTES = 8 * 1024
_LONGEST_LINE = 32 * 1024
_PREFIX_BYTES = 40
"""About what time, release and process add to a line."""
LARGEST_PIPE_BYTES = 1024**2
"""What the kernel grants without being asked for more: /proc/sys/fs/pipe-max-size."""


@dataclass(eq=False)
class OutputPipe:
    """What is known of one program's output. Times are seconds since 1970."""

    program: str
    fd: int
    folder: Path
    """Of its start; when it is gone so is the program."""
    label: bytes
    """`v12 web.1`"""
    file: RotatingFile
    rest: bytes = b""
    """A line that has not ended."""
    rest_since: float = 0.0
    is_flooding: bool = False
    size_bytes: int = LARGEST_PIPE_BYTES
    """What the pipe holds; looked at when a flood begins."""
    _allowance: float = _KEPT_AT_ONCE_BYTES
    """Bytes that may go into the file now."""
    _allowed_at: float = 0.0
    _dropped: int = 0
    """Lines, since the log was last told."""
    _last: bytes = b""
    """The newest of these, whole."""

    def take(self, data: bytes, now: float) -> None:
        """Write what the rate allows. From the first line that is too much, all are dropped until `settle`."""
        self.rest_since = now
        if self.is_flooding:
            self._drop(data)
            return
        cost, allowed = len(data) + data.count(b"\n") * _PREFIX_BYTES, self._allow(now)
        end = len(data) if cost <= allowed else data.rfind(b"\n", 0, len(data) * allowed // cost) + 1
        self._allowance -= min(cost, allowed)
        lines, self.rest = split_lines(self.rest + data[:end])
        self.file.append(render_lines(lines, self.label, now))
        if end < len(data):
            self._begin_flood()
            self._drop(data[end:])

    def settle(self, now: float, *, patience_s: float) -> None:
        """Say what was dropped; show a line that has waited for its newline so long, such as a prompt."""
        if self.is_flooding:
            last = self._last.split(b"\n")[:-1]
            note = b"toppcloud: %d lines dropped, too many at once" % max(0, self._dropped - len(last))
            self.file.append(render_lines([note, *last], self.label, now))
            self.is_flooding, self._dropped, self._last = False, 0, b""
        if self.rest and now - self.rest_since >= patience_s:
            self.file.append(render_lines([self.rest], self.label, now))
            self.rest = b""

    def _begin_flood(self) -> None:
        self.is_flooding = True
        with contextlib.suppress(OSError):  # the account may have all that pipes may have
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, LARGEST_PIPE_BYTES)
        self.size_bytes = fcntl.fcntl(self.fd, fcntl.F_GETPIPE_SZ)

    def _allow(self, now: float) -> int:
        gained = max(0.0, now - self._allowed_at) * _KEPT_BYTES_PER_S
        self._allowance = min(_KEPT_AT_ONCE_BYTES, self.file.largest_bytes, self._allowance + gained)
        self._allowed_at = now
        return int(self._allowance)

    def _drop(self, data: bytes) -> None:
        self._dropped += data.count(b"\n")
        end = data.rfind(b"\n") + 1
        if end:
            last = self._last + self.rest + data[max(0, end - _LAST_BYTES) : end]
            if len(last) > _LAST_BYTES:
                last = last[-_LAST_BYTES:]
                last = last[last.find(b"\n") + 1 :]
            self._last, self.rest = last, b""
        self.rest += data[end:]
        if len(self.rest) > _LONGEST_LINE:
            self._dropped, self.rest = self._dropped + 1, b""


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """`b"a\\nb\\nc"` -> ([b"a", b"b"], b"c"). A line that is too long is cut into several."""
    *lines, rest = data.split(b"\n")
    if len(rest) > _LONGEST_LINE:
        lines.append(rest)
        rest = b""
    if not any(len(line) > _LONGEST_LINE for line in lines):
        return lines, rest
    cut = [line[i : i + _LONGEST_LINE] for line in lines for i in range(0, max(1, len(line)), _LONGEST_LINE)]
    return cut, rest


def render_lines(lines: list[bytes], label: bytes, now: float) -> bytes:
    """The lines as they stand in the file. `now` is in seconds since 1970."""
    if not lines:
        return b""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    prefix = b"%s.%03dZ %s " % (moment.encode(), int(now * 1000) % 1000, label)
    return b"".join([prefix + line.rstrip(b"\r") + b"\n" for line in lines])
