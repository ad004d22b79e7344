"""Talking to the doorman: one JSON line each way on a connection of its own.

{"op": "open", "app": "blog", "release": 12, "start": 2}  ->  {}  or  {"error": "...", "why": "..."}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.unix import connect_unix

_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class DoormanClient:
    """The doorman of one node. Every method raises ToppcloudError when it does not answer or refuses."""

    layout: Layout

    def open_socket(self, app: str, release: int, start: int) -> None:
        """Bind the start's web.sock, which the router may connect to at once. Again: nothing happens."""
        self._ask("open", app, release, start)

    def retire(self, app: str, release: int, start: int, *, programs: list[str]) -> None:
        """Drain, stop and forget `programs`, hand on what still queues, remove the start's folder. Returns at once; a
        killed doorman goes on with it. Asked again: nothing happens."""
        self._ask("retire", app, release, start, programs=programs)

    def answer_unavailable(self, app: str, release: int, start: int) -> None:
        """Answer 503 on the start's socket, which no program should serve, until `resume`."""
        self._ask("unavailable", app, release, start)

    def resume(self, app: str, release: int, start: int) -> None:
        """Let requests wait for the start's programs again."""
        self._ask("resume", app, release, start)

    def close(self, app: str, release: int, start: int) -> None:
        """Close the socket of a start that never went live: nothing is drained."""
        self._ask("close", app, release, start)

    def ping(self) -> None:
        """Return when the doorman answers."""
        self._exchange({"op": "ping"})

    def _ask(self, operation: str, app: str, release: int, start: int, **more: Any) -> None:
        self._exchange({"op": operation, "app": app, "release": release, "start": start, **more})

    def _exchange(self, request: dict[str, Any]) -> None:
        try:
            with connect_unix(self.layout.doorman_socket, timeout_s=_TIMEOUT_S) as connection:
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as answers:
                    answer = json.loads(answers.readline())
        except (OSError, ValueError) as error:
            raise ToppcloudError(
                "The node's doorman does not answer.",
                str(error),
                f"See what is wrong: toppcloud node doctor --root {self.layout.root}",
                reason="doorman does not answer",
            ) from error
        if "error" in answer:
            raise ToppcloudError(answer["error"], answer["why"], reason="doorman refused")
