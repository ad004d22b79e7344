"""Where a program of ours listens in its latest run, as the launcher wrote it: `PORT PID STARTTIME`.

5123 81234 9125113

The pid and its start time tell whether that run goes on: afterwards the port may be anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.process_record import read_start_time


@dataclass(frozen=True)
class PortFile:
    """starts/2/web.1.port."""

    port: int
    pid: int
    start_time: int

    @property
    def is_current(self) -> bool:
        """Whether the run that it is of goes on."""
        return read_start_time(self.pid) == self.start_time


def read_port_file(path: Path) -> PortFile | None:
    """The port of the run that goes on; None when there is none, be it that it ended or never began."""
    try:
        found = PortFile(*(int(word) for word in path.read_text().split()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return found if found.is_current else None
