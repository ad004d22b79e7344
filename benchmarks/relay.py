"""A program that only listens on its $PORT: through the node's relay, beside the same program reached directly.

Our nginx has nothing to do with it here: one nginx made by hand leads to the node's socket, to systemd-socket-proxyd
and to the program's port, so that only what lies between differs.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.figure import Figure, at_least, render
from benchmarks.hand_made import HandMade
from benchmarks.live_node import LiveNode
from benchmarks.pushes import push_app
from benchmarks.sample_apps import flask_files, node_files
from benchmarks.scale import Scale
from benchmarks.section import Section
from benchmarks.wrk import Pace, Target, list_failed, run_in_turn
from deploy.port_file import read_port_file
from deploy.start import find_live_start

ROUNDS = 5
SECONDS = 3
GUNICORN = "env -u LISTEN_FDS -u LISTEN_PID gunicorn --bind 127.0.0.1:$PORT app:app"
"""As somebody would have it who does not know that it takes an inherited socket."""
UWSGI = "uwsgi --http-socket 127.0.0.1:$PORT --master --processes 2 -w app:app"
PROXYD = Path("/lib/systemd/systemd-socket-proxyd")
_SHIM = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def measure_relay(scale: Scale) -> Section:
    figures: list[Figure] = []
    failures: list[str] = []
    rounds, seconds = scale.count(ROUNDS), SECONDS if not scale.is_quick else 1
    programs = {
        "gunicorn": flask_files("0", web=GUNICORN),
        "uwsgi": flask_files("0", web=UWSGI, server="pyuwsgi"),
        "node": node_files(rounds=2500),
        "empty": node_files(),
    }
    with LiveNode.running() as node:
        for name, files in programs.items():
            push_app(node, f"{name}-app", files)
            paces = _measure_program(node, f"{name}-app", rounds, seconds)
            failures += list_failed(paces)
            figures += _list_figures(name, paces)
    return Section(
        "Programs on $PORT",
        [
            f"wrk, {rounds} rounds of {seconds} s each, in turn, through one nginx that was configured by hand: to the "
            "program's port (direct), to the node's socket (relay), to systemd-socket-proxyd (proxyd). gunicorn and "
            "uWSGI have a Flask app, node computes for half a millisecond, empty is Node's bare http server. All share "
            "the cores with wrk and nginx."
        ],
        figures,
        failures=failures,
    )


def _list_figures(name: str, paces: Mapping[str, Sequence[Pace]]) -> list[Figure]:
    direct = paces["direct"]
    beside = f"direct {render(statistics.median(pace.per_s for pace in direct), '/s')}"
    factors = {
        between: [a.per_s / b.per_s for a, b in zip(paces[between], direct, strict=True)] for between in list(paces)[1:]
    }
    return [
        Figure(f"{name}: requests through the relay", [pace.per_s for pace in paces["relay"]], "/s", beside=beside),
        *(
            Figure(f"{name}: {between}, times direct", values, "x", at_least(0.9) if between == "relay" else None)
            for between, values in factors.items()
        ),
    ]


def _measure_program(node: LiveNode, app: str, rounds: int, seconds: int) -> dict[str, list[Pace]]:
    layout = node.layout.app(app)
    release = layout.release(layout.live_number() or 0)
    start = find_live_start(release)
    assert start is not None
    found = read_port_file(start.port_file("web.1"))
    assert found is not None
    with HandMade.in_new_folder() as by_hand, contextlib.ExitStack() as stack:
        upstreams = {"direct": f"127.0.0.1:{found.port}", "relay": f"unix:{start.socket}"}
        if PROXYD.exists():
            upstreams["proxyd"] = stack.enter_context(_proxyd(by_hand.folder / "proxyd.sock", found.port))
        ports = by_hand.start_nginx(upstreams)
        return run_in_turn({name: Target(ports[name], node.host(app)) for name in upstreams}, rounds, seconds)


@contextlib.contextmanager
def _proxyd(path: Path, port: int) -> Iterator[str]:
    """It takes its socket as descriptor 3. Source: systemd-socket-proxyd(8), sd_listen_fds(3)."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(4096)
        fd = listener.fileno()
        argv = [sys.executable, "-S", "-c", _SHIM, str(fd), str(PROXYD), f"127.0.0.1:{port}"]
        process = subprocess.Popen(argv, pass_fds=(fd,))
        try:
            yield f"unix:{path}"
        finally:
            process.terminate()
            process.wait()
