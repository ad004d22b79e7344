"""Watches the live start of every app: wakes it for a visitor, sees whether it comes up, lets it sleep, answers for it.

One state each: awake (its programs accept; nothing of a request passes here), asleep (no program; the first connection
wakes it), waking (started, and not seen to accept yet), unwell (it crashes and waits for its next try, or does not
accept within its boot limit; visitors are told so), or spoken for (a person stopped it, or it has no web process). It
knows all this from the disk, from supervisord and from the kernel, so it may die at any time. Runs in the doorman's one
thread; what takes long is a job.
"""

from __future__ import annotations

import functools
import logging
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any

from deploy.acceptance import Acceptance, Verdict
from deploy.answers import UNAVAILABLE, Answers, read_page, read_unavailable
from deploy.connections import Connections, read_connections
from deploy.idleness import Idleness
from deploy.jobs import Jobs, JobsByKey
from deploy.live_start import (
    ASLEEP,
    AWAKE,
    NO_WEB,
    SPOKEN_FOR,
    STATIC,
    UNWELL,
    WAKING,
    LiveStart,
    find_wakeful_worker,
    name_silence,
    read_habits,
)
from deploy.open_sockets import OpenSockets
from deploy.sleep import RELAY, Sleeper, fall_asleep, wake_programs
from deploy.start_key import WEB, StartKey, parse_program_name
from deploy.supervisor import BACKOFF, EXITED, STOPPING, ProgramState
from deploy.visits import read_visit
from deploy.wake_queue import NODE_START, VISITOR, WakeQueue
from toppcloud.node import Node

_ASK_PAUSE_S = 0.2
_PLACE_PAUSE_S = 0.2
_SLEEP_TRIES_S = 5.0
"""Hypercorn keeps a connection that ended unasked for so long (its keep_alive_timeout), and a wake leaves one."""
_LOST_WORD_S = 1.0
_EXPLAINED = {STATIC: "it is a site of files, and has no process", NO_WEB: "it has no web process"}
_log = logging.getLogger(__name__)


class Watch:
    """The live starts of one node, by app."""

    def __init__(
        self, node: Node, sockets: OpenSockets, answers: Answers, selector: selectors.BaseSelector, jobs: Jobs
    ) -> None:
        self._node = node
        self._layout = node.layout
        self._sockets = sockets
        self._answers = answers
        self._selector = selector
        self._jobs = jobs
        self._jobs_of_starts = JobsByKey(jobs)
        self._queue = WakeQueue()
        self._live: dict[str, LiveStart] = {}
        self._ask_at: dict[LiveStart, float] = {}
        """When to look at those that crashed, should supervisord's word of their next try be lost."""
        self._acceptance = Acceptance(node.layout, answers)
        self._idleness = Idleness(node)

    # what it is told

    def attend(self, key: StartKey, *, is_up: bool = False, wake: bool = False, is_half_asleep: bool = False) -> None:
        """This start is its app's live one from now on. `is_up`: it was seen to answer. `wake`: start it, in its turn.
        `is_half_asleep`: programs of it are left, although it bears the mark of a sleeper.

        Told again, nothing happens. Raises ToppcloudError or OSError when it has no socket and none can be opened.
        """
        known = self._live.get(key.app)
        if known and known.key == key:
            return
        self._answers.end(key)
        listener = self._sockets.open(key)
        habits = read_habits(self._node, key)
        live = LiveStart(
            key, listener, Sleeper(self._layout, key, habits.web.sleeps_with), habits, is_half_asleep=is_half_asleep
        )
        if known:
            self.forget(known.key)
        self._live[key.app] = live
        if read_unavailable(live.start) is not None:
            self._be_spoken_for(live)
        elif is_up:
            self._be_awake(live)
        elif wake or is_half_asleep:
            self._enqueue(live, NODE_START)
        elif live.start.asleep.exists():
            self._be_asleep(live)
        else:
            self._ask(live)

    def forget(self, key: StartKey) -> None:
        """Somebody else looks after this start from now on."""
        live = self._find(key)
        if live:
            del self._live[key.app]
            self._let_go(live)
            self._go_on(live)

    def knows(self, key: StartKey) -> bool:
        """Whether it is its app's live start."""
        return self._find(key) is not None

    def heed_settings(self) -> None:
        """Somebody changed how long an app may go unvisited."""
        self._idleness.due_at = time.time()

    def when_free(self, key: StartKey, act: Callable[[], None]) -> None:
        """Do it once no job is under way with this start, live or not."""
        self._jobs_of_starts.when_free(key, act)

    def stop(self, key: StartKey) -> None:
        """Answer for it, as its mark on the disk says."""
        if live := self._find(key):
            self._be_spoken_for(live)

    def sleep(self, app: str, then: Callable[[str | None], None]) -> None:
        """Let it sleep now. `then` is told why it does not, or None."""
        live = self._live.get(app)
        if live is None:
            then("it has no release yet")
        elif self._jobs_of_starts.is_busy(live.key):
            self.when_free(live.key, lambda: self.sleep(app, then))
        elif live.state == WAKING:
            live.after_rise.append(lambda: self.sleep(app, then))
        elif live.state == ASLEEP:
            then(None)
        elif live.state != AWAKE:
            then(_EXPLAINED.get(live.state, f"it is {live.state}"))
        elif worker := find_wakeful_worker(self._node, live):
            then(f"its process '{worker}' keeps it awake")
        else:
            self._put_to_sleep(live, then, tries_for_s=_SLEEP_TRIES_S)

    def hear(self, event: Mapping[str, Any]) -> StartKey | None:
        """What supervisord says of a program. Returns the start whose program has crashed, if it is a live one."""
        parsed = parse_program_name(event["program"])
        live = self._find(parsed[0]) if parsed else None
        if live is None:
            return None
        has_ended, was_asked = event["event"] == "exited", event["asked"]
        is_news = self._is_calm(live) if was_asked else has_ended or live.state == UNWELL
        if is_news and _is_web(event["program"]):
            self._ask(live)
        return live.key if has_ended and not was_asked else None

    def describe(self) -> dict[str, dict[str, Any]]:
        """Every app's state, for people: see DoormanClient.states."""
        connections = read_connections(self._layout)
        return {
            app: {
                "state": live.state,
                "why": live.why,
                "since": live.since,
                "next_try": live.next_try if live.state == UNWELL else 0.0,
                "connections": connections.get(live.key, Connections()).accepted - self._answers.count(live.key),
                "idle_since": max(live.idle_since, read_visit(live.start.socket) or 0.0),
            }
            for app, live in self._live.items()
        }

    # what time brings

    @property
    def timeout_s(self) -> float | None:
        """Until `turn` is due; None when nothing is, so that nothing runs at rest."""
        now = time.time()
        places = now + _PLACE_PAUSE_S if self._queue.has_waiting else None
        asking = min(self._ask_at.values(), default=None)
        wanted = (self._acceptance.due_at(now), self._idleness.due_at, places, asking)
        due_at = min((moment for moment in wanted if moment is not None), default=None)
        return None if due_at is None else max(0.0, due_at - now)

    def turn(self) -> None:
        """Do what is due."""
        now = time.time()
        for live, verdict in self._acceptance.look(now):
            if verdict is Verdict.ACCEPTS:
                self._be_awake(live)
            elif verdict is Verdict.LATE:
                self._be_late(live)
            else:
                self._refuse_visitors(live)
        for live in [live for live, moment in self._ask_at.items() if moment <= now]:
            del self._ask_at[live]
            self._ask(live)
        self._wake_next(now)
        if self._idleness.due_at and now >= self._idleness.due_at:
            awake = [live for live in self._live.values() if live.state == AWAKE]
            for live in filter(self._is_calm, self._idleness.find_idle(awake, now)):
                self._put_to_sleep(live, lambda _: None, tries_for_s=0.0)

    def _is_calm(self, live: LiveStart) -> bool:
        """It is awake, and we are not about to change that."""
        return live.state == AWAKE and not self._jobs_of_starts.is_busy(live.key)

    # from state to state

    def _be_awake(self, live: LiveStart) -> None:
        self._let_go(live)
        self._become(live, AWAKE)
        live.start.asleep.unlink(missing_ok=True)
        self._idleness.begin(live)

    def _be_asleep(self, live: LiveStart) -> None:
        self._let_go(live)
        self._become(live, ASLEEP)
        self._listen(live, lambda live: self._enqueue(live, VISITOR))

    def _be_spoken_for(self, live: LiveStart) -> None:
        self._let_go(live)
        self._become(live, name_silence(self._node, live))
        status = read_unavailable(live.start) or UNAVAILABLE
        self._answers.begin(live.key, live.listener, read_page(live.start, status))

    def _be_rising(self, live: LiveStart, started_at: float) -> None:
        self._let_go(live)
        self._become(live, WAKING)
        self._acceptance.expect(live, started_at)

    def _be_crashed(self, live: LiveStart, why: str) -> None:
        """None of its programs runs until its next try: who comes is answered at once."""
        self._let_go(live)
        self._become(live, UNWELL, why)
        self._ask_at[live] = max(live.next_try, time.time()) + _LOST_WORD_S
        self._answers.begin(live.key, live.listener, read_page(live.start))

    def _be_late(self, live: LiveStart) -> None:
        """It runs and does not accept. Who waited is answered; who comes has a moment in which it still may."""
        self._let_go(live)
        self._become(live, UNWELL, f"it accepts nobody, {live.habits.boot_limit_s:.0f} s after its start")
        self._refuse_visitors(live)

    def _refuse_visitors(self, live: LiveStart) -> None:
        self._answers.answer_waiting(live.key, live.listener, read_page(live.start))
        self._acceptance.doubt(live)
        self._listen(live, self._hear_knock)

    def _hear_knock(self, live: LiveStart) -> None:
        self._listen(live, None)
        self._acceptance.knock(live)

    # wake and sleep

    def _enqueue(self, live: LiveStart, priority: int) -> None:
        self._let_go(live)
        self._become(live, WAKING)
        live.is_queued = True
        self._queue.add(live, priority)
        self._wake_next(time.time())

    def _wake_next(self, now: float) -> None:
        while live := self._queue.take(now):
            if not live.is_queued or self._find(live.key) is not live:
                self._queue.leave(live)
                continue
            live.is_queued = False
            wake = functools.partial(wake_programs, live.sleeper, is_half_asleep=live.is_half_asleep)
            self._do(live, wake, self._was_started)

    def _was_started(self, live: LiveStart, result: object) -> None:
        self._queue.leave(live)
        if self._find(live.key) is not live:
            return
        if not isinstance(result, Exception):
            live.is_half_asleep = False
            self._be_rising(live, time.time())
            self._queue.hold(live)
        else:
            _log.error("could not be started: %s", result, extra={"start": live.key.name})
            self._ask_later(live)

    def _put_to_sleep(self, live: LiveStart, then: Callable[[str | None], None], *, tries_for_s: float) -> None:
        def tell(live: LiveStart, result: str | Exception | None) -> None:
            live.listener = self._sockets.find(live.key) or live.listener
            if self._find(live.key) is not live:
                then("another release went live")
            elif result is None:
                self._be_asleep(live)
                then(None)
            else:
                if isinstance(result, Exception):
                    _log_failure(result)
                    self._ask(live)
                then(str(result))

        self._do(live, functools.partial(fall_asleep, live.sleeper, self._sockets, tries_for_s=tries_for_s), tell)

    def _ask(self, live: LiveStart) -> None:
        """Learn from supervisord how it is with this start."""
        if not live.is_asked:
            live.is_asked = True
            self._do(live, lambda: self._look_at_programs(live), self._judge)

    def _look_at_programs(self, live: LiveStart) -> dict[str, ProgramState]:
        live.is_asked = False  # what happens from here on may be missed, so it is asked for again
        return live.sleeper.running()

    def _ask_later(self, live: LiveStart) -> None:
        self._ask_at[live] = time.time() + _ASK_PAUSE_S

    def _judge(self, live: LiveStart, states: dict[str, ProgramState] | Exception) -> None:
        if self._find(live.key) is not live or live.state in SPOKEN_FOR or live.is_queued:
            return
        if isinstance(states, Exception):  # supervisord is away, and will be back
            self._ask_later(live)
            return
        web = [state for name, state in states.items() if _is_web(name)]
        running = [state.started_at for state in web if state.is_running]
        if running:
            if live.state != AWAKE or min(running) > live.since:
                self._be_rising(live, max(running))
        elif any(state.state == BACKOFF for state in web):
            live.next_try = max(state.next_try for state in web)
            self._be_crashed(live, "it crashes again and again")
        elif any(state.state in (EXITED, STOPPING) for state in web):
            self._ask_later(live)
        else:
            self._be_asleep(live)

    # what all of them need

    def _find(self, key: StartKey) -> LiveStart | None:
        live = self._live.get(key.app)
        return live if live and live.key == key else None

    def _do(self, live: LiveStart, work: Callable[[], Any], then: Callable[[LiveStart, Any], None]) -> None:
        """A job for this start, one at a time."""
        self._jobs_of_starts.run(live.key, work, lambda result: then(live, result))

    def _listen(self, live: LiveStart, act: Callable[[LiveStart], None] | None) -> None:
        """Have `act` called when somebody connects; None: not any more."""
        if live.is_listening:
            self._selector.unregister(live.listener)
        live.is_listening = act is not None
        if act:
            self._selector.register(live.listener, selectors.EVENT_READ, lambda: act(live))

    def _become(self, live: LiveStart, state: str, why: str = "") -> None:
        live.become(state, why)
        if state != WAKING:
            self._go_on(live)

    def _go_on(self, live: LiveStart) -> None:
        """With what waited until it is up, or will not be."""
        acts, live.after_rise = live.after_rise, []
        for act in acts:
            self._jobs.call(act)

    def _let_go(self, live: LiveStart) -> None:
        """Leave whatever state it is in."""
        self._listen(live, None)
        self._answers.end(live.key)
        self._queue.leave(live)
        live.is_queued = False
        self._ask_at.pop(live, None)
        self._acceptance.forget(live)


def _is_web(program: str) -> bool:
    parsed = parse_program_name(program)
    return parsed is not None and parsed[1].split(".", 1)[0] == WEB and not parsed[1].endswith(RELAY)


def _log_failure(result: object) -> None:
    if isinstance(result, Exception):
        _log.error("a job failed", exc_info=result)
