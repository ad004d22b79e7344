"""A measured thing: the value of each repetition, and what it is held against."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.table import Table

SHORT = "short of the aim"
_HEADER = ("", "median", "spread", "beside it", "aim", "")


@dataclass(frozen=True)
class Aim:
    """The median must not be above the limit, or not below it."""

    limit: float
    is_least: bool = False

    def is_met_by(self, value: float) -> bool:
        return value >= self.limit if self.is_least else value <= self.limit


def at_most(limit: float) -> Aim:
    return Aim(limit)


def at_least(limit: float) -> Aim:
    return Aim(limit, is_least=True)


@dataclass(frozen=True)
class Figure:
    """Values in `unit`: `s`, `ms`, `MB`, `/s`, `x`, `%`; empty for a count."""

    name: str
    values: Sequence[float]
    unit: str = "s"
    aim: Aim | None = None
    beside: str = ""
    """What stands next to it: `floor 0.16 s`, `hand-made 4,459 /s`."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_short(self) -> bool:
        return self.aim is not None and not self.aim.is_met_by(self.median)

    def row(self) -> tuple[str, ...]:
        spread = f"{render(min(self.values), '')} to {render(max(self.values), '')}" if len(self.values) > 1 else ""
        aim = f"{'>=' if self.aim.is_least else '<='} {render_limit(self.aim.limit, self.unit)}" if self.aim else ""
        verdict = (SHORT if self.is_short else "met") if self.aim else ""
        return (self.name, render(self.median, self.unit), spread, self.beside, aim, verdict)


def tabulate(figures: Sequence[Figure]) -> Table:
    return Table(_HEADER, [figure.row() for figure in figures])


def render(value: float, unit: str) -> str:
    """Three digits that count: 4,459 /s, 38.1 MB, 0.24 s."""
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {unit}".rstrip()


def render_limit(limit: float, unit: str) -> str:
    return f"{limit:g} {unit}".rstrip()


def render_factor(value: float, base: float) -> str:
    """How many times the base it is: 1.98 x."""
    return f"{value / base:.2f} x"
