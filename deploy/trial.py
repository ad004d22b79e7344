"""A slug's web process on a socket that only we know: started as any start is, asked once, ended with all it started.

No supervisord, no router and no release knows of it. What it writes goes into the folder of the trial, its output here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.app_settings import AppSettings, read_app_settings
from deploy.check import Cure, Request, describe_silence, find_secure_location
from deploy.freeze import Origin, freeze
from deploy.listeners import find_listeners
from deploy.output_log import shorten_tracebacks
from deploy.port_file import read_port_file
from deploy.process_memory import read_memory_bytes, read_tree
from deploy.release import Release
from deploy.start import WEB, render_start
from toppcloud.app_layout import StartLayout, TrialLayout
from toppcloud.errors import Cancelled, ToppcloudError
from toppcloud.files import read_json, write_json
from toppcloud.node import Node
from toppcloud.program import end_group, start_tethered
from toppcloud.slug import Slug
from toppcloud.unix import connect_unix, listen_unix

RELEASE = "dry-run"
"""What $TOPPCLOUD_RELEASE says."""
CURE = Cure("Correct it, commit and try again.", "-o no-check", "")
_NUMBER = 0  # no release has it
_PROCESS = f"{WEB}.1"
_GUARD, _LAUNCHER = (Path(__file__).with_name(name) for name in ("trial_guard.py", "launcher.py"))
_POLL_S, _LOOK_EVERY_S, _CONNECT_S, _END_S = 0.02, 0.1, 5.0, 5.0
_KEPT_LINES, _SHOWN_LINES = 200, 20
_LOOPBACKS = ("127.0.0.1", "::1")


class NotUp(ToppcloudError):
    """The process gave no answer."""


@dataclass(frozen=True)
class TrialAnswer:
    """What the process said."""

    status: int
    seconds: float
    relayed: bool
    """It listens on its $PORT and did not take the socket."""
    memory_bytes: int
    output: tuple[str, ...]
    secure_location: str


def try_web(
    node: Node,
    app: TrialLayout,
    slug: Slug,
    config: dict[str, str],
    *,
    by: str,
    is_cancelled: Callable[[], str | None],
) -> TrialAnswer:
    """Start the slug's web process and ask it for what its check names. It has ended when this returns.

    Raises NotUp, with its last lines, when it exits or does not answer in time; Cancelled.
    """
    timeout_s = slug.check.timeout_s or node.settings.boot_timeout_s
    start = render_trial(node, app, slug, config, by=by)
    with run_trial(node, app, start) as program:
        return _wait_for_answer(program, slug, node.settings.host(app.name), timeout_s, is_cancelled)


def render_trial(node: Node, app: TrialLayout, slug: Slug, config: dict[str, str], *, by: str) -> StartLayout:
    """All that a start of a release of this slug would consist of, its one web process changed to be private."""
    layout = app.release(_NUMBER)
    layout.folder.mkdir(parents=True)
    for folder in (app.releases, layout.folder):
        folder.chmod(0o711)
    release: Release = freeze(node, app, layout, slug, config, None, Origin("push", slug.subject, by))
    start = render_start(node, app, release, slug, choose_settings(read_app_settings(app), slug)).layout
    spec: dict[str, Any] = read_json(start.spec(_PROCESS))
    inherited = spec["socket"] is not None
    environment = {**spec["env"], "TOPPCLOUD_RELEASE": RELEASE}
    private = {"env": environment, "socket": None, "inherited": inherited, "output": None}
    write_json(start.spec(_PROCESS), {**spec, **private}, mode=0o600, is_durable=False)
    return start


def choose_settings(settings: AppSettings, slug: Slug) -> AppSettings:
    """One web process and nothing else, with a folder for files where the release would have one."""
    formation = {name: int(name == WEB) for name in slug.processes}
    return dataclasses.replace(settings, formation=formation, kept_files=(*settings.kept_files, *slug.kept_paths))


class TrialProgram:
    """The process while it is tried."""

    def __init__(self, start: StartLayout, poll: Callable[[], int | None], output: int) -> None:
        self._start = start
        self._poll = poll
        self._output = output
        self._text = b""
        self._lines: deque[bytes] = deque(maxlen=_KEPT_LINES)

    @property
    def socket(self) -> Path:
        return self._start.socket

    def status(self) -> int | None:
        """Its exit status once it has ended; nothing of it runs any more then."""
        return self._poll()

    def read_output(self) -> None:
        """Take what it wrote: a program whose output nobody takes would stand still."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._output, 65536):
                *whole, self._text = (self._text + data).split(b"\n")
                self._lines.extend(whole)
                self._text = self._text[-65536:]

    def last_lines(self) -> list[str]:
        self.read_output()
        lines = [line.decode(errors="replace") for line in (*self._lines, *filter(None, [self._text]))]
        return shorten_tracebacks(lines)[-_SHOWN_LINES:]

    def find_address(self) -> tuple[str, int] | None:
        """Where it listens when that is its $PORT."""
        given = read_port_file(self._start.port_file(_PROCESS))
        if given is None:
            return None
        addresses = [one.address for one in find_listeners(given.pid) if one.port == given.port]
        if not addresses:
            return None
        is_v6_only = all(":" in address for address in addresses) and "::" not in addresses
        return _LOOPBACKS[is_v6_only], given.port

    def describe_silence(self) -> str:
        return describe_silence([self._start.port_file(_PROCESS)])

    def measure_bytes(self) -> int:
        given = read_port_file(self._start.port_file(_PROCESS))
        return read_memory_bytes(read_tree(given.pid)) if given else 0


@contextlib.contextmanager
def run_trial(node: Node, app: TrialLayout, start: StartLayout) -> Iterator[TrialProgram]:
    """Run the start's web process while the block runs; also when this process is killed nothing of it is left."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen_unix(start.socket, label=app.trial.name))
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        stack.callback(os.close, ours)
        tether, held = os.pipe2(os.O_CLOEXEC)
        if not node.account.is_self:
            os.fchown(theirs, node.account.uid, -1)  # programs that open /dev/stdout anew need the right to
        os.set_blocking(ours, False)
        guarded = (str(_LAUNCHER), str(start.spec(_PROCESS)))
        argv = (sys.executable, "-I", "-S", str(_GUARD), str(listener.fileno()), *guarded)
        try:
            child = start_tethered(argv, tether=tether, output=theirs, descriptors=[listener.fileno()])
        finally:
            os.close(theirs)
            os.close(tether)
        try:
            yield TrialProgram(start, child.poll, ours)
        finally:
            os.close(held)
            deadline = time.monotonic() + _END_S
            while child.poll() is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            end_group(child.pid, is_ended=lambda: child.poll() is not None)
            child.wait()


def _wait_for_answer(
    program: TrialProgram, slug: Slug, host: str, timeout_s: float, is_cancelled: Callable[[], str | None]
) -> TrialAnswer:
    began = time.monotonic()
    address: tuple[str, int] | None = None
    next_look = began + _LOOK_EVERY_S

    def connect() -> socket.socket:
        if address is None:
            return connect_unix(program.socket, timeout_s=_CONNECT_S)
        return socket.create_connection(address, timeout=_CONNECT_S)

    with Request(connect, slug.check.path, host) as request:
        while (status := request.poll_status(_POLL_S)) is None:
            now = time.monotonic()
            program.read_output()
            if reason := is_cancelled():
                raise Cancelled(reason, reason="dry run cancelled")
            if program.status() is not None:
                raise _refuse_exit(program, now - began)
            if now - began > timeout_s:
                raise _refuse_silence(program, timeout_s)
            is_found = False
            if address is None and now > next_look:
                next_look = now + _LOOK_EVERY_S
                address = program.find_address()
                is_found = address is not None
            if is_found or request.was_dropped:
                with contextlib.suppress(ConnectionRefusedError):  # it starts anew
                    request.send()
        seconds = time.monotonic() - began
        return TrialAnswer(
            status,
            seconds,
            address is not None,
            program.measure_bytes(),
            tuple(program.last_lines()),
            find_secure_location(request.received, host),
        )


def _refuse_exit(program: TrialProgram, seconds: float) -> NotUp:
    return NotUp(
        f"It would not go live: its web process exits at start (status {program.status()}, after {seconds:.1f} s).",
        "Its last lines stand above. Nothing was changed.",
        CURE.again,
        reason="web process exits at start",
        output=program.last_lines(),
    )


def _refuse_silence(program: TrialProgram, timeout_s: float) -> NotUp:
    return NotUp(
        f"It would not go live: its web process did not answer within {timeout_s:.0f} s. Nothing was changed.",
        program.describe_silence(),
        'Bind 127.0.0.1:$PORT, or give it more time in toppcloud.toml: [checks] timeout = "120s"',
        reason="web process never answers",
        output=program.last_lines(),
    )
