"""What one part of `make bench` found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figure import Figure
from benchmarks.table import Table


@dataclass
class Section:
    """Printed in this order: title, notes, tables, failures."""

    title: str
    notes: list[str] = field(default_factory=list)
    """Conditions, in whole sentences; how their lines are broken does not count."""
    figures: Sequence[Figure] = ()
    tables: list[Table] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Requests that failed and must not: `make bench` ends with status 1."""
    plots: dict[str, str] = field(default_factory=dict)
    """SVG by the name of its file: {"growth.svg": "<svg ..."}."""
    data: dict[str, Any] = field(default_factory=dict)
    """Numbers for programs, beside those of the figures."""


class Missing(Exception):
    """A program that this part needs is not installed."""
