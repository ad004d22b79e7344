"""What the doctor says: one line for each thing looked at."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line: `FAIL  shop: …      the line to type`."""

    level: str
    what: str
    cure: str = ""
