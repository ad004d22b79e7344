"""Talking to the doorman: one JSON line each way on a connection of its own.

{"op": "open", "app": "blog", "release": 12, "start": 2}  ->  {}  or  {"error": "...", "why": "..."}

Everything may be asked twice. So whoever meets a doorman that was just killed asks the next one, and a deploy goes on.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from deploy.process_record import read_process
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.unix import connect_unix

_TIMEOUT_S = 15.0
_SLEEP_TIMEOUT_S = 330.0
_PAUSE_S = 0.02


@dataclass(frozen=True)
class AppDoor:
    """How an app's live start is, as the doorman sees it. Times are seconds since 1970."""

    state: str
    """awake, asleep, waking (started, not seen to accept yet), unwell (`why` says it), stopped (by a person), static (a
    site of files), no web."""
    why: str
    since: float
    next_try: float
    """When a crashed app is started again; 0 when it need not be."""
    connections: int
    """Open ones that a program serves."""
    idle_since: float
    """The last visit."""


@dataclass(frozen=True)
class DoormanClient:
    """The doorman of one node. Every method raises ToppcloudError when it does not answer or refuses."""

    layout: Layout
    patience_s: float = 10.0
    """How long a call waits for a killed doorman's successor."""

    def open_socket(self, app: str, release: int, start: int) -> None:
        """Bind the start's web.sock, which the router may connect to at once. Again: nothing happens."""
        self._ask("open", app, release, start)

    def attend(self, app: str, release: int, start: int, *, is_up: bool = False, wake: bool = False) -> None:
        """This start is its app's live one from now on: watch it.

        `is_up`: it was seen to answer. `wake`: start it, when its turn comes. Else what runs of it goes on, and what
        does not wakes for the first visitor."""
        self._ask("attend", app, release, start, is_up=is_up, wake=wake)

    def retire(self, app: str, release: int, start: int) -> None:
        """Drain, stop and forget its web programs, hand on what still queues, remove the start's folder. Returns at
        once; a killed doorman goes on with it. Asked again: nothing happens."""
        self._ask("retire", app, release, start)

    def answer(self, app: str, release: int, start: int, *, status: int) -> None:
        """Answer visitors with that status (503 or 404) by itself, for as long as the start exists. No program should
        serve it."""
        self._ask("answer", app, release, start, status=status)

    def close(self, app: str, release: int, start: int) -> None:
        """Close the socket of a start that never went live: nothing is drained."""
        self._ask("close", app, release, start)

    def sleep(self, app: str) -> None:
        """Have the app's web programs end until somebody visits it. Raises ToppcloudError, whose `why` says what keeps
        it awake."""
        why = self._exchange({"op": "sleep", "app": app}, timeout_s=_SLEEP_TIMEOUT_S)["why"]
        if why:
            raise ToppcloudError(f"{app} cannot sleep now.", f"{why[0].upper()}{why[1:]}.", reason="cannot sleep now")

    def states(self) -> dict[str, AppDoor]:
        """All apps that have a live release."""
        return {app: AppDoor(**value) for app, value in self._exchange({"op": "states"})["apps"].items()}

    def heed_settings(self) -> None:
        """An app's idle time was changed."""
        self._exchange({"op": "heed"})

    def ping(self) -> None:
        """Return when the doorman answers."""
        self._exchange({"op": "ping"})

    def _ask(self, operation: str, app: str, release: int, start: int, **more: Any) -> None:
        self._exchange({"op": operation, "app": app, "release": release, "start": start, **more})

    def _exchange(self, request: dict[str, Any], *, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        try:
            answer = self._insist(json.dumps(request).encode() + b"\n", timeout_s)
        except (OSError, ValueError) as error:
            raise ToppcloudError(
                "The node's doorman does not answer.",
                str(error),
                f"See what is wrong: toppcloud node doctor --root {self.layout.root}",
                reason="doorman does not answer",
            ) from error
        if "error" in answer:
            raise ToppcloudError(answer["error"], answer["why"], reason="doorman refused")
        return answer

    def _insist(self, line: bytes, timeout_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                return self._send(line, timeout_s)
            except TimeoutError:
                raise
            except (OSError, ValueError):  # nobody is there, or it died over its answer
                if time.monotonic() > deadline or not self._will_come_back():
                    raise
            time.sleep(_PAUSE_S)

    def _send(self, line: bytes, timeout_s: float) -> dict[str, Any]:
        with connect_unix(self.layout.doorman_socket, timeout_s=timeout_s) as connection:
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
                return answer

    def _will_come_back(self) -> bool:
        """Whether there is a supervisord to start it again, and nobody stopped it."""
        supervisord = read_process(self.layout.pids, "supervisord")
        return bool(supervisord and supervisord.is_alive and not supervisord.is_stopping)
