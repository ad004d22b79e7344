"""The voice for the person who is watching: steps, details, warnings, errors. Knows nothing of where it goes.

-----> collectstatic: 131 files, 4 new                                  0.61 s
         Applying search.0002_index... OK
 !     v19 never answered: its web process exits at start.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from toppcloud.errors import ToppcloudError

_SECONDS_COLUMN = 96
_SHOWN_LINES = 20
_LONGEST_LINE = 2000


@dataclass
class Console:
    """Writes whole lines through `write` (given without the newline). All that was written is kept in `transcript`."""

    write: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    transcript: list[str] = field(default_factory=list)

    def line(self, text: str = "") -> None:
        text = _printable(text)
        self.transcript.append(text)
        self.write(text)

    def step(self, text: str, seconds: float | None = None) -> None:
        """A step that is done, with how long it took when that is worth knowing."""
        head = f"-----> {text}"
        self.line(head if seconds is None else f"{head:<{_SECONDS_COLUMN}}  {seconds:.2f} s")

    @contextlib.contextmanager
    def timed_step(self, text: str) -> Iterator[Timed]:
        """Say `text` when the block ends, with its seconds. The block may put a better text in."""
        timed = Timed(text)
        began = self.clock()
        yield timed
        self.step(timed.text, self.clock() - began)

    def detail(self, text: str) -> None:
        """A line that some program printed, or a fact below a step."""
        self.line(f"         {text}")

    def warning(self, text: str) -> None:
        for line in text.splitlines():
            self.line(f" !     {line}")

    def error(self, error: ToppcloudError) -> None:
        """A refusal: the program's own last lines first, then what, why and cure."""
        for line in error.output[-_SHOWN_LINES:]:
            self.detail(line)
        if error.output:
            self.line()
        for line in error.lines():
            self.line(f" !     {line}")


@dataclass
class Timed:
    """The text of a step that is under way."""

    text: str


def _printable(text: str) -> str:
    """`text` without what would move the cursor or ring a bell at the person's terminal."""
    clean = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text.rstrip("\r\n"))
    return clean if len(clean) <= _LONGEST_LINE else clean[:_LONGEST_LINE] + " …"
