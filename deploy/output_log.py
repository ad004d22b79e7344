"""Reading what an app's processes wrote: `apps/blog/log/app.log`, one line each with time, release and process.

2026-11-22T14:45:04.123Z v12 web.1 Listening at: unix:...
"""

from __future__ import annotations

import time

from toppcloud.layout import AppLayout

_TAIL_BYTES = 256 * 1024
_SETTLE_S = 0.15


def read_last_lines(app: AppLayout, release: int, *, process_type: str, count: int = 20) -> list[str]:
    """The newest `count` lines that processes of this type and release wrote, without their prefixes."""
    time.sleep(_SETTLE_S)  # the logger may be a moment behind a process that has just died
    try:
        with app.output.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    wanted = []
    for line in lines:
        words = line.split(" ", 3)
        if len(words) == 4 and words[1] == f"v{release}" and words[2].rpartition(".")[0] == process_type:
            wanted.append(words[3])
    return wanted[-count:]
