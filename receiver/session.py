"""One person's command under way on the node: who asks, the three streams, and how to answer."""

from __future__ import annotations

import contextlib
import json
import select
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, NoReturn

from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node

WIDTH = 100


class SessionExit(Exception):
    """Ends the session with `status` and nothing more to say."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Terminal:
    """The person's terminal as it was when the session began. Descriptors 0, 1 and 2 are then one pty."""

    columns: int
    rows: int
    term: str
    """`xterm-256color`"""


@dataclass(frozen=True)
class Session:
    """What a command's handler is given. The streams are descriptors 0, 1 and 2 of this process.

    Results go to stdout (`write`, `print_table`, `print_json`); the progress of long work and problems to stderr
    (`console`, `warn`). A handler that has nothing to complain about returns; else it raises ToppcloudError.
    """

    node: Node
    person: str
    stdin: BinaryIO
    stdout: BinaryIO
    stderr: BinaryIO
    terminal: Terminal | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the client sent and the door let through: GIT_PROTOCOL at most."""
    address: str = ""
    """Where the person reached the front door: `127.0.0.1:2222`, `[::1]:2222`."""
    keeps_on: bool = False
    """Whether the work goes on when nobody reads what is written."""
    was_told: bool = False
    """Whether this session was the first to hear of what the node did to the app by itself."""

    @property
    def host(self) -> str:
        """The node's front door, as the person reaches it: `127.0.0.1:2222`."""
        return self.address or self.node.settings.ssh

    @cached_property
    def console(self) -> Console:
        """The voice for the person during long work, on stderr."""
        return Console(self.warn)

    def app(self, name: str) -> AppLayout:
        return self.node.layout.app(name)

    def write(self, text: str) -> None:
        """Text for stdout, at once; a newline ends it. Raises OSError when nobody reads, unless it `keeps_on`."""
        with contextlib.suppress(OSError) if self.keeps_on else contextlib.nullcontext():
            _put(self.stdout, text if text.endswith("\n") else f"{text}\n")

    def warn(self, text: str) -> None:
        """A line for stderr that is not a refusal. Whether anybody reads it changes nothing."""
        with contextlib.suppress(OSError):
            _put(self.stderr, f"{text}\n")

    def is_gone(self) -> bool:
        """Whether the person has gone away: the other end of stdout is closed."""
        poll = select.poll()
        poll.register(self.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))

    def print_json(self, value: Any) -> None:
        self.write(json.dumps(value, indent=2, ensure_ascii=False))

    def print_table(self, rows: Iterable[Sequence[object]]) -> None:
        """Rows of cells, their columns aligned; lines are cut at 100 characters."""
        for line in render_table(rows):
            self.write(line)

    def exit(self, status: int) -> NoReturn:
        """End the session with `status` and nothing more to say."""
        raise SessionExit(status)


def render_table(rows: Iterable[Sequence[object]], width: int = WIDTH) -> list[str]:
    """`[("v19", "live"), ("v8", "")]` -> `["v19  live", "v8"]`. What does not fit ends in `…`."""
    cells = [[str(cell).replace("\n", " ") for cell in row] for row in rows]
    columns = max((len(row) for row in cells), default=0)
    widths = [max((len(row[i]) for row in cells if i < len(row)), default=0) for i in range(columns)]
    lines = ["  ".join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() for row in cells]
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def show_error(error: ToppcloudError, stream: BinaryIO) -> int:
    """Tell the person, once: the failed program's last lines, then what, why, cure. Returns the exit status."""
    lines = [*error.output[-20:], ""] if error.output else []
    with contextlib.suppress(OSError):
        _put(stream, "".join(f"{line}\n" for line in [*lines, *error.lines()]))
    return error.status


def _put(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode("utf-8", "surrogateescape"))
    stream.flush()
