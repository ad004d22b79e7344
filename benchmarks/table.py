"""A table of texts, as a terminal shows it and as Markdown has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """The first column is what a row is about; the others stand at the right."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def render_text(self) -> list[str]:
        """Aligned with spaces; columns that are empty throughout are left out."""
        lines = self._filled()
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]

    def render_markdown(self) -> list[str]:
        """`| a | b |`, with the line below the header that Markdown wants."""
        first, *others = ["| " + " | ".join(line) + " |" for line in self._filled()]
        return [first, "|" + "---|" * (first.count("|") - 1), *others]

    def _filled(self) -> list[tuple[str, ...]]:
        lines = [self.header, *self.rows]
        kept = [0, *(i for i in range(1, len(self.header)) if any(row[i] for row in self.rows))]
        return [tuple(line[column] for column in kept) for line in lines]
