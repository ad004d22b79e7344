"""Watches releases that are new: errors and crashes are counted for `[checks] auto_rollback`, then it goes back.

Lives in the doorman's loop, which tells of starts and crashes and calls `turn` while `timeout_s` says so. Errors are
read from the router's log, so a killed doorman counts them anew. Going back is another process's work, since it takes
locks and waits: hooks/auto_rollback.py.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from deploy.app_log import Position
from deploy.app_settings import read_app_settings
from deploy.release import read_release
from deploy.router_errors import RouterError, parse_router_error
from deploy.start_key import StartKey
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.program import BASE_PATH, start_detached
from toppcloud.slug import Check, read_slug

_LOOK_S = 0.5
_WATCHED_KINDS = frozenset({"push", "rebuild", "config"})
"""A rollback is not rolled back, and going back leaves services as they are."""
_log = logging.getLogger(__name__)


@dataclass
class Watch:
    """One release while it is new."""

    key: StartKey
    went_live_at: float
    """Seconds since 1970, as `until`."""
    until: float
    limit: int
    errors: int = 0
    crashes: int = 0
    is_over: bool = False
    position: Position = field(default_factory=lambda: Position(None, 0))
    """How far the router's log was read for it."""
    rest: bytes = b""

    @property
    def is_exceeded(self) -> bool:
        return self.errors + self.crashes >= self.limit


class ReleaseWatch:
    """The new releases of one node. Called from one thread."""

    def __init__(self, node: Node, begin_rollback: Callable[[Node, Watch], None] | None = None) -> None:
        self._node = node
        self._layout = node.layout
        self._begin_rollback = begin_rollback or start_rollback
        self._watches: dict[str, Watch] = {}

    @property
    def timeout_s(self) -> float | None:
        """How long the loop may wait for other things before it calls `turn`. None: for ever."""
        return _LOOK_S if self._watches else None

    def attend(self, key: StartKey) -> None:
        """That start is its app's live one now. A restart of a release that is watched already changes no count."""
        before = self._watches.get(key.app)
        if before and before.key.release == key.release:
            before.key = key
            return
        self._end(key.app)
        with self._not_failing(key):
            watch = self._plan_watch(key)
            if watch and watch.until > time.time():
                self._watches[key.app] = watch

    def note_crash(self, key: StartKey, status: int | None) -> None:
        """A process of that start has ended by itself. Exit status 0 is no crash, an unknown one (None) is."""
        watch = self._watches.get(key.app)
        if watch and watch.key == key and status != 0 and time.time() <= watch.until:
            watch.crashes += 1
            with self._not_failing(key):
                self._judge(watch)

    def turn(self, now: float) -> None:
        """Count what the router logged meanwhile; forget what is new no more. `now` is in seconds since 1970."""
        for watch in list(self._watches.values()):
            with self._not_failing(watch.key):
                if self._layout.app(watch.key.app).live_number() != watch.key.release:
                    self._end(watch.key.app)
                    continue
                for error in self._read_errors(watch):
                    if watch.went_live_at <= error.began_at and error.at <= watch.until:
                        watch.errors += self._concerns(watch, error)
                self._judge(watch)
            if now > watch.until:
                self._end(watch.key.app)

    @contextlib.contextmanager
    def _not_failing(self, key: StartKey) -> Iterator[None]:
        """Who looks after all apps does not fall over one that cannot be watched."""
        try:
            yield
        except Exception:
            _log.exception("a release is not watched", extra={"start": key.name})
            self._end(key.app)

    def _plan_watch(self, key: StartKey) -> Watch | None:
        """None when nobody asked for it, or there is no release to go back to."""
        app = self._layout.app(key.app)
        layout = app.release(key.release)
        release = read_release(layout)
        if release is None or release.kind not in _WATCHED_KINDS:
            return None
        slug = read_slug(app.slug(release.slug))
        check = slug.check if slug else Check()
        if check.auto_rollback_s is None or not _has_predecessor(self._layout, key):
            return None
        try:
            went_live_at = layout.went_live.stat().st_mtime
        except FileNotFoundError:
            went_live_at = time.time()  # activated this moment
        return Watch(key, went_live_at, went_live_at + check.auto_rollback_s, check.auto_rollback_after)

    def _read_errors(self, watch: Watch) -> Iterator[RouterError]:
        data = watch.position.read_on(self._layout.router_errors)
        *lines, watch.rest = (watch.rest + data).split(b"\n")
        for line in lines:
            if error := parse_router_error(line):
                yield error

    def _concerns(self, watch: Watch, error: RouterError) -> bool:
        """Whether a visitor of this app got it, and not because a person had stopped the app."""
        if watch.is_over or find_app_of(self._layout, error.host) != watch.key.app:
            return False
        return not read_app_settings(self._layout.app(watch.key.app)).stopped

    def _judge(self, watch: Watch) -> None:
        if watch.is_exceeded and not watch.is_over:
            watch.is_over = True
            _log.warning(
                "going back: app=%s release=%d errors=%d crashes=%d",
                *(watch.key.app, watch.key.release, watch.errors, watch.crashes),
            )
            self._begin_rollback(self._node, watch)

    def _end(self, app: str) -> None:
        watch = self._watches.pop(app, None)
        if watch:
            watch.position.close()


def find_app_of(layout: Layout, host: str) -> str | None:
    """The app that `host` leads to: by its own route, else by a wildcard's."""
    for name in (host, f"*.{host.partition('.')[2]}"):
        with contextlib.suppress(OSError, ValueError):
            return layout.route(name).readlink().name
    return None


def start_rollback(node: Node, watch: Watch) -> None:
    """Have the release before put live by a process of its own, which outlives the doorman."""
    layout = node.layout
    words = [sys.executable, "-I", "-m", "hooks.auto_rollback", "--root", str(layout.root), "--app", watch.key.app]
    words += ["--from", str(watch.key.release), "--errors", str(watch.errors), "--crashes", str(watch.crashes)]
    env = {"PATH": os.environ.get("PATH", BASE_PATH), "LANG": "C.UTF-8", "HOME": str(layout.root)}
    pid = start_detached(words, env=env, cwd=layout.root, output=layout.program_log("auto_rollback"))
    threading.Thread(target=_reap, args=(pid,), daemon=True).start()


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _has_predecessor(layout: Layout, key: StartKey) -> bool:
    app = layout.app(key.app)
    return any(number < key.release and app.release(number).went_live.exists() for number in app.release_numbers())
