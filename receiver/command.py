"""What a command is: its words, its help, and where it runs. Values only, so that a laptop reads them in no time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Where(Enum):
    """Where a command does its work."""

    NODE = "node"
    LAPTOP = "laptop"
    BOTH = "both"
    """The laptop command does its part and asks the node for the rest."""


@dataclass(frozen=True)
class Argument:
    """A word that has a place: `NAME`, `[vN]`, `PATH…`. Reaches the handler as `name`; with `many` as a tuple."""

    name: str
    metavar: str
    many: bool = False
    required: bool = True


@dataclass(frozen=True)
class Option:
    """A word that begins with `-`. Reaches the handler as `name`: bool without `metavar`, else str (int with `number`).

    An option with `metavar` that is not given is `default`.
    """

    flags: tuple[str, ...]
    name: str
    help: str
    metavar: str | None = None
    number: bool = False
    default: str | int | None = None


@dataclass(frozen=True)
class Command:
    """A line of the table. `handler` is `module:function`, imported when it is called:

    on the node `function(session, **arguments)`, on the laptop `function(**arguments)`, which returns the exit status
    (None: 0). Both refuse by raising ToppcloudError.
    """

    name: str
    """`config:set`, or two words as in `node start`."""
    summary: str
    """One line, no full stop."""
    example: str
    """A real line to type, without the leading `toppcloud`."""
    handler: str
    help: str = ""
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    where: Where = Where.NODE
    app: bool = False
    """Whether it takes `-a/--app`; the handler then gets `app`, the name of an app that exists."""
    changes: bool = False
    """Whether a signal from the person would leave its work half done: such signals are then not heeded."""
    terminal: bool = False
    """Whether the laptop command gives it a terminal when it has one itself."""
    words: bool = False
    """Whether all words after the first argument belong to that argument (`run ls -a`)."""

    @property
    def noun(self) -> str:
        """`config` of `config:set`, `node` of `node start`: what help groups by."""
        return self.name.replace(" ", ":").split(":")[0]
