"""A value that no log, traceback or message shows by accident."""

from __future__ import annotations


class Secret(str):
    """A str whose repr hides it. Where it must be written, write it as what it is: `str(secret)`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"
