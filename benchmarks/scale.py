"""How much of each thing is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """As the command line says."""

    is_quick: bool = False
    """A tenth of the repetitions: to see that all of it works, not to learn numbers."""
    minutes: float = 3.0
    """How long apps are visited at random, on the real clock."""
    apps: tuple[int, ...] = (10, 100, 1000, 5000)
    """Numbers of sleeping apps."""

    def count(self, full: int, least: int = 3) -> int:
        return max(least, full // 10) if self.is_quick else full
