"""Whole transcripts: all that a person sees of a push, good and refused, word for word.

The expected texts are the files in transcripts/, normalised: `S s` for seconds, COMMIT, SLUG, PORT, PID, TIME, FOLDER,
APP and VERSION for what differs from run to run. What uv says of its downloads depends on its cache and is left out.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository, Said
from benchmarks.load import Traffic
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]
TRANSCRIPTS = Path(__file__).with_name("transcripts")
WEB = "web: gunicorn --workers 1 app:app\n"
BROKEN = {
    "pip_failure": {"requirements.txt": "gunicorn\nno-such-package-of-anyone==9.9\n"},
    "syntax_error": {"app.py": "def app(:\n"},
    "release_command_fails": {"Procfile": f"{WEB}release: echo migrating; echo no such table >&2; exit 3\n"},
    "never_answers": {"Procfile": "web: echo thinking; sleep 60\n", "toppcloud.toml": "[checks]\ntimeout = 2\n"},
    "answers_500": {"app.py": "def app(e, s):\n    print('no database')\n    s('500 Oops', [])\n    return [b'']\n"},
    "missing_procfile": {"app.py": "x = 1\n", "Procfile": None},
    "unknown_python": {".python-version": "3.99\n"},
}
DISK_MB = 96


@pytest.fixture
def small_disk_node() -> Iterator[LiveNode]:
    """A node whose folder is a file system of its own, soon full."""
    live = LiveNode.in_new_folder()
    live.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "tmpfs", str(live.root)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        shutil.rmtree(live.folder)
        pytest.skip("only root can mount a small disk")
    try:
        live.start()
        yield live
    finally:
        live.stop()
        subprocess.run(["umount", "--lazy", str(live.root)], check=True)
        live.remove()


def app_files() -> dict[str, str]:
    return plain_files() | {"Procfile": WEB}


def test_first_push_and_the_next(node: LiveNode, new_app: Make) -> None:
    repository = new_app(app_files())
    assert_transcript("first_push", repository, repository.push())
    repository.commit("Second", {"app.py": plain_files("two")["app.py"]})
    assert_transcript("second_push", repository, repository.push())
    assert node.request(repository.app).text.startswith("two")


@pytest.mark.parametrize("name", BROKEN)
def test_refused_push(node: LiveNode, live_app: Make, name: str) -> None:
    repository = live_app(app_files())
    files = {path: text for path, text in BROKEN[name].items() if text is not None}  # type: ignore[attr-defined]
    for path in BROKEN[name].keys() - files.keys():  # type: ignore[attr-defined]
        (repository.path / path).unlink()
    repository.commit("Break it", files)
    with Traffic(node.http_port, node.host(repository.app), 50) as traffic:
        said = repository.push()
        time.sleep(0.1)
        tally = traffic.stop()
    assert said.status == 1
    assert_transcript(name, repository, said)
    assert tally.failures == []
    assert node.request(repository.app).text.startswith("one")


def test_push_onto_a_full_disk(small_disk_node: LiveNode) -> None:
    node = small_disk_node
    repository = node.repository("app-disk", app_files())
    assert repository.push().status == 0
    repository.commit("Break it", {f"data/{number}": f"{number}" * 40_000 for number in range(100, 150)})
    ballast = node.root / "ballast"
    with Traffic(node.http_port, node.host(repository.app), 50) as traffic:
        fill(ballast, 3_000_000)
        said = repository.push()
        tally = traffic.stop()
    assert said.status == 1
    assert_transcript("full_disk", repository, said)
    assert tally.failures == []
    assert node.request(repository.app).text.startswith("one")
    fill(ballast, 0)  # now for a change that only copies
    said = repository.toppcloud("config:set", "MARK=x")
    assert said.status == 1
    assert said.err.startswith("The node's disk is full.\n"), said.err
    assert node.request(repository.app).text == "one mark=;"
    ballast.unlink()
    said = repository.push()
    assert said.status == 0, said.all
    assert "v2 live" in said.err


def fill(ballast: Path, leave_bytes: int) -> None:
    """Make the file so large that no more than so much is free beside it."""
    ballast.unlink(missing_ok=True)
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while shutil.disk_usage(ballast.parent).free > leave_bytes:
            file.write(b"x" * min(1_000_000, max(4096, shutil.disk_usage(ballast.parent).free - leave_bytes)))


def assert_transcript(name: str, repository: Repository, said: Said) -> None:
    assert said.out == ""
    seen = normalise(said.err, repository)
    path = TRANSCRIPTS / f"{name}.txt"
    if os.environ.get("WRITE_TRANSCRIPTS"):  # then look at what git says has changed
        path.write_text(seen)
    assert seen == path.read_text()


def normalise(text: str, repository: Repository) -> str:
    """The transcript without what differs from run to run."""
    lines = [line.rstrip() for line in text.splitlines()]
    lines = [
        line for line in lines if not re.match(r"remote: +(Prepared|Downloading|Downloaded|Building|Built) ", line)
    ]
    text = "\n".join(lines) + "\n"
    for pattern, replacement in (
        (re.escape(str(repository.node.folder)), "FOLDER"),
        (rf"\b{repository.app}\b", "APP"),
        (r"localhost:\d+|127\.0\.0\.1:\d+", lambda match: f"{match[0].rpartition(':')[0]}:PORT"),
        (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\]", "[TIME]"),
        (r"\b[0-9a-f]{8}-\d{8}T\d{6}-[0-9a-f]+", "SLUG"),
        (r"\b[0-9a-f]{7}\.\.[0-9a-f]{7}\b", "COMMIT..COMMIT"),
        (r"\([0-9a-f]{7} ", "(COMMIT "),
        (r"venvs/[0-9a-f]{16}", "venvs/KEY"),
        (r" {2,}\d+\.\d+ s\b", "  S s"),
        (r"\bin \d+ s\b", "in S s"),
        (r"\bin [\d.]+m?s\b", "in S s"),
        (r"unix:/proc/self/fd/\d+/\.web\.sock\.[\w.-]+ \(\d+\)", "unix:SOCKET (PID)"),
        (r"\[\d+\]", "[PID]"),
        (r"\(pid: ?\d+\)|with pid: \d+", "(PID)"),
        (r"\$PORT \(\d+\)", "$PORT (PORT)"),
        (r"(Python|python|gunicorn) ?\d+\.\d+(\.\d+)?", r"\1 VERSION"),
        (r"newest of [\d., ]+\.", "newest of VERSIONS."),
        (r"\b\d+ packages?\b", "N packages"),
        (r"(3\.\d+\.\d+(, )?)+", "VERSIONS"),
    ):
        text = re.sub(pattern, replacement, text)  # type: ignore[arg-type]
    return text
