"""Reading what an app's processes wrote: `apps/blog/log/app.log`, one line each with time, release and process.

2026-11-22T14:45:04.123Z v12 web.1 Listening at: unix:...
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from toppcloud.app_layout import AppLayout

_TAIL_BYTES = 256 * 1024
_SETTLE_S = 0.15
_TRACEBACK = "Traceback (most recent call last):"
_TIE = "During handling of the above exception, another exception occurred:"
_FOREIGN_FRAME = re.compile(
    r'  File "(<frozen |[^"]*/importlib/__init__\.py"|[^"]*/site-packages/gunicorn/|[^"]*/bin/gunicorn")'
)
_FAREWELL = re.compile(r"gunicorn\.errors\.HaltServer\b")


def read_last_lines(
    app: AppLayout, release: int, *, process_type: str, since: float = 0.0, count: int = 20
) -> list[str]:
    """The newest `count` lines that processes of this type and release wrote since then (seconds since 1970), without
    their prefixes."""
    time.sleep(_SETTLE_S)  # the logger may be a moment behind a process that has just died
    try:
        with app.output.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    earliest = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23]
    wanted = []
    for line in lines:
        words = line.split(" ", 3)
        is_ours = len(words) == 4 and words[1] == f"v{release}" and words[2].rpartition(".")[0] == process_type
        if is_ours and words[0] >= earliest:
            wanted.append(words[3])
    return wanted[-count:]


def shorten_tracebacks(lines: Sequence[str]) -> list[str]:
    """`lines` with tracebacks that say what is the app's own: no frames of gunicorn and of Python's import machinery,
    and none of the tracebacks with which gunicorn itself ends each failed start."""
    kept: list[str] = []
    block: list[str] = []
    for line in lines:
        if line == _TRACEBACK:
            kept, block = kept + block, [line]
        elif block and not line.startswith(" "):  # a traceback's last line
            if not _FAREWELL.match(line):
                kept += [*_drop_frames(block), line]
            else:  # and what ties it to the traceback before it
                while kept and (not kept[-1].strip() or kept[-1] == _TIE):
                    kept.pop()
            block = []
        else:
            (block or kept).append(line)
    return kept + _drop_frames(block)


def _drop_frames(block: Sequence[str]) -> list[str]:
    """A frame is its `  File "…", line 1, in x`, and the lines below that are further in."""
    kept = []
    is_dropped = False
    for line in block:
        if not line.startswith("    "):
            is_dropped = bool(_FOREIGN_FRAME.match(line))
        if not is_dropped:
            kept.append(line)
    return kept
