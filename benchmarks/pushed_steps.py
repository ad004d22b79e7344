"""How long the steps of a push took, as the pusher reads it.

remote: -----> Python 3.11.2 (as before), requirements.txt unchanged: virtualenv reused                   0.01 s
"""

from __future__ import annotations

import re

_STEP = re.compile(r"^(?:remote: )?-----> (?P<text>.*\S)\s+(?P<seconds>\d+\.\d+) s\s*$")


def read_seconds(said: str, word: str) -> float:
    """Of the first step whose line holds `word`. Raises ValueError when there is none."""
    for line in said.splitlines():
        step = _STEP.match(line)
        if step and word in step["text"]:
            return float(step["seconds"])
    raise ValueError(f"no step of the push tells of '{word}': {said}")
