"""Which start is meant: app, release and number of the start, as `blog/12/2` and as part of program names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from toppcloud.app_layout import ReleaseLayout, StartLayout
from toppcloud.layout import Layout

WEB = "web"
"""The process type that visitors reach."""
_PROGRAM = re.compile(r"([^.]+)\.(.+)\.v(\d+)\.(\d+)\Z")


@dataclass(frozen=True)
class StartKey:
    """One start of one release of one app."""

    app: str
    release: int
    start: int

    @property
    def name(self) -> str:
        """What the holder calls its socket: `blog/12/2`."""
        return f"{self.app}/{self.release}/{self.start}"

    def release_layout(self, layout: Layout) -> ReleaseLayout:
        return layout.app(self.app).release(self.release)

    def layout(self, layout: Layout) -> StartLayout:
        return self.release_layout(layout).start(self.start)


def parse_start_key(name: str) -> StartKey | None:
    """`blog/12/2`, or None for another socket's name."""
    app, _, rest = name.partition("/")
    release, _, start = rest.partition("/")
    if not release.isdigit() or not start.isdigit():
        return None
    return StartKey(app, int(release), int(start))


def parse_program_name(program: str) -> tuple[StartKey, str] | None:
    """`blog.web.1.relay.v12.2` -> (blog/12/2, "web.1.relay"); None for a program of the node itself."""
    match = _PROGRAM.match(program)
    return (StartKey(match[1], int(match[3]), int(match[4])), match[2]) if match else None


def key_of_folder(folder: Path) -> StartKey:
    """`apps/blog/releases/12/starts/2` -> blog/12/2."""
    release = folder.parent.parent
    return StartKey(release.parent.parent.name, int(release.name), int(folder.name))
