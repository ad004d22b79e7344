import contextlib
import http.server
import io
import json
import os
import shutil
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from buildpacks.interpreter_choice import ensure_interpreter, ensure_project_interpreter
from buildpacks.interpreters import Interpreter, choose_interpreter, find_interpreters
from buildpacks.python_releases import RELEASES, Standing, judge
from buildpacks.python_version import ANY_PYTHON, PythonRequest
from toppcloud.console import Console
from toppcloud.durations import now_utc
from toppcloud.errors import Cancelled, ToppcloudError
from toppcloud.layout import Layout
from toppcloud.lock import hold_lock
from toppcloud.node import Node
from toppcloud.settings import NodeSettings


def make(version, is_managed=False):
    return Interpreter(Path("/x"), version, "b", "cpython-3", is_managed)


@pytest.mark.parametrize(
    ("request_text", "chosen"),
    [("3.12", "3.12.1"), ("3.12.7", "3.12.7"), ("", "3.13.0"), ("<3.12", "3.9.18"), ("3.10", None), ("3.12.2", None)],
)
def test_newest_minor_and_of_that_uvs_own(request_text, chosen):
    usable = (make("3.9.18"), make("3.12.7"), make("3.12.1", is_managed=True), make("3.13.0"))
    found = choose_interpreter(PythonRequest(request_text, "x"), usable)
    assert (found.version if found else None) == chosen


@pytest.fixture
def node_here(folder, account, monkeypatch) -> Node:
    """A node whose interpreters are only those that a test puts on PATH, beside the system's own."""
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    (folder / "bin").mkdir()
    (folder / "cache").mkdir()
    return Node(Layout(folder), NodeSettings(), account)


def put_python(path: Path, version: str) -> Path:
    """A program that answers the probe as that Python would, and counts how often it was asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "version": version,
        "build": version,
        "soabi": "x",
        "implementation": "cpython",
        "cache_tag": "cpython-399",
    }
    answer = json.dumps({**facts, "is_base": True, "is_final": True})
    path.write_text(f"#!/bin/sh\necho x >> {path.parent.parent}/asked\necho '{answer}'\n")
    path.chmod(0o755)
    (path.parent.parent / "asked").touch()
    (path.parent.parent / "asked").chmod(0o666)
    return path


def versions(node):
    return [i.version for i in find_interpreters(node).usable if i.version.startswith("3.99")]


def test_pythons_of_path_pyenv_and_root_are_found(node_here, folder):
    put_python(folder / "bin/python3.99", "3.99.0")
    put_python(folder / ".pyenv/versions/3.99.1/bin/python3.99", "3.99.1")
    put_python(node_here.layout.pythons / "cpython-3.99.2-linux/bin/python3.99", "3.99.2")
    put_python(folder / ".pyenv/shims/python3.99", "3.99.3")
    put_python(folder / "bin/python3-config", "3.99.4")
    assert sorted(versions(node_here)) == ["3.99.0", "3.99.1", "3.99.2"]


def test_each_is_asked_once(node_here, folder):
    put_python(folder / "bin/python3.99", "3.99.0")
    for _ in range(3):
        assert versions(node_here) == ["3.99.0"]
    assert (folder / "asked").read_text() == "x\n"
    put_python(folder / "bin/python3.99", "3.99.10")
    assert versions(node_here) == ["3.99.10"]


def test_one_that_cannot_be_run_counts_as_absent(node_here, folder):
    put_python(folder / "bin/python3.99", "3.99.0").write_text("#!/gone/sh\n")
    (folder / "bin/python3.98").write_text("not executable")
    (folder / "bin/python3.97").symlink_to("/gone")
    assert versions(node_here) == []


def test_one_that_fails_is_named_with_what_it_said(node_here, folder):
    path = put_python(folder / ".pyenv/versions/3.99.1/bin/python3.99", "3.99.1")
    path.write_text("#!/bin/sh\necho libpython3.99.so.1.0: cannot open shared object file >&2; exit 127\n")
    with pytest.raises(ToppcloudError) as refused:
        ensure_interpreter(node_here, PythonRequest("3.99", ".python-version"), Console(print))
    message = "\n".join(refused.value.lines())
    assert f"{path} is there, but {node_here.account.name} cannot run it: libpython3.99.so.1.0" in message
    assert "PYENV_ROOT=/opt/pyenv pyenv install 3.99.1" in message


def test_one_that_may_not_be_executed_is_named_with_the_cure(node_here, folder, account):
    if account.is_self:
        pytest.skip("only root runs pushed code as somebody else")
    path = put_python(folder / "bin/python3.99", "3.99.0")
    path.chmod(0o700)
    with pytest.raises(ToppcloudError) as refused:
        ensure_interpreter(node_here, PythonRequest("3.99", ".python-version"), Console(print))
    assert f"chmod o+rx {path}" in refused.value.cure


def test_one_behind_a_closed_folder_is_named_with_the_cure(node_here, folder, account):
    if account.is_self:
        pytest.skip("only root runs pushed code as somebody else")
    put_python(folder / ".pyenv/versions/3.99.1/bin/python3.99", "3.99.1")
    (folder / ".pyenv").chmod(0o700)
    with pytest.raises(ToppcloudError) as refused:
        ensure_interpreter(node_here, PythonRequest("3.99", ".python-version"), Console(print))
    message = "\n".join(refused.value.lines())
    assert f"may not enter {folder}/.pyenv" in message
    assert "PYENV_ROOT=/opt/pyenv pyenv install 3.99.1" in message
    assert f"chmod o+x {folder}/.pyenv" in message


def test_version_that_nobody_has_is_refused_with_those_there_are(node_here):
    with pytest.raises(ToppcloudError) as refused:
        ensure_interpreter(node_here, PythonRequest("3.99", ".python-version"), Console(print))
    assert refused.value.what == "There is no Python 3.99 (.python-version) to be had."
    assert choose_interpreter(ANY_PYTHON, find_interpreters(node_here).usable).version in refused.value.why
    assert "uv can fetch the newest of" in refused.value.why
    assert refused.value.reason == "no such Python"


def serve_downloads(folder: Path, monkeypatch, archive: bytes, digest: str, url: str | None = None) -> None:
    """Let uv know one Python: ours, in a file, or at `url`."""
    (folder / "python.tar.gz").write_bytes(archive)
    entry = {
        "name": "cpython",
        "arch": {"family": os.uname().machine, "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 14,
        "patch": 77,
        "prerelease": "",
        "url": url or (folder / "python.tar.gz").as_uri(),
        "sha256": digest,
        "variant": None,
        "build": None,
    }
    (folder / "downloads.json").write_text(json.dumps({f"cpython-3.14.77-linux-{os.uname().machine}-gnu": entry}))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(folder / "downloads.json"))


def pack_python(folder: Path) -> bytes:
    put_python(folder / "python/bin/python3.14", "3.14.77")
    shutil.copy(folder / "python/bin/python3.14", folder / "python/bin/python3")
    library = folder / "python/lib/python3.14"
    library.mkdir(parents=True)
    name = f"_sysconfigdata__linux_{os.uname().machine}-linux-gnu.py"
    (library / name).write_text(
        "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n"
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder / "python", "python")
    return buffer.getvalue()


@pytest.mark.node
def test_missing_python_is_fetched_by_uv_and_then_preferred(node_here, folder, monkeypatch):
    archive = pack_python(folder)
    serve_downloads(folder, monkeypatch, archive, sha256(archive).hexdigest())
    lines = []
    found = ensure_interpreter(node_here, PythonRequest("3.14", ".python-version"), Console(lines.append))
    assert (found.version, found.is_managed) == ("3.14.77", True)
    assert lines[0] == "-----> Python 3.14 (.python-version) is not on this node: uv fetches it"
    assert "Python 3.14 fetched by uv" in lines[1]


@pytest.mark.node
def test_fetch_that_fails_leaves_nothing_behind(node_here, folder, monkeypatch):
    serve_downloads(folder, monkeypatch, pack_python(folder), "0" * 64)
    with pytest.raises(ToppcloudError) as refused:
        ensure_interpreter(node_here, PythonRequest("3.14", ".python-version"), Console(print))
    assert "could not be fetched" in refused.value.what
    assert refused.value.output
    assert [name for name in os.listdir(node_here.layout.pythons) if not name.startswith(".")] == []


@contextlib.contextmanager
def serve_without_end(beginning: bytes) -> Iterator[str]:
    """A server on loopback that sends that, and then neither more nor an end."""
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(beginning) + 1000))
            self.end_headers()
            self.wfile.write(beginning)
            stop.wait(60)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/python.tar.gz"
        stop.set()
        server.shutdown()


@pytest.mark.node
def test_fetch_that_is_killed_leaves_nothing_that_is_used(node_here, folder, monkeypatch):
    archive = pack_python(folder)
    pythons = node_here.layout.pythons
    half_made = pythons / "cpython-3.14.76-linux-x86_64-gnu"
    request = PythonRequest("3.14", ".python-version")
    with serve_without_end(archive[:-100]) as url:
        serve_downloads(folder, monkeypatch, archive, sha256(archive).hexdigest(), url)
        child = os.fork()
        if not child:
            ensure_interpreter(node_here, request, Console(lambda line: None))
            os._exit(0)
        wait_until(lambda: (pythons / ".temp").is_dir() and any((pythons / ".temp").iterdir()))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        put_python(half_made / "bin/python3.14", "3.14.76")
    assert choose_interpreter(request, find_interpreters(node_here).usable) is None
    serve_downloads(folder, monkeypatch, archive, sha256(archive).hexdigest())
    assert ensure_interpreter(node_here, request, Console(print)).version == "3.14.77"
    assert not half_made.exists()


@pytest.mark.node
def test_fetch_that_is_cancelled_leaves_nothing_behind(node_here, folder, monkeypatch):
    archive = pack_python(folder)
    temporary = node_here.layout.pythons / ".temp"
    with serve_without_end(archive[:-100]) as url, pytest.raises(Cancelled, match="the pusher went away"):
        serve_downloads(folder, monkeypatch, archive, sha256(archive).hexdigest(), url)
        ensure_interpreter(
            node_here,
            PythonRequest("3.14", ".python-version"),
            Console(print),
            lambda: "the pusher went away" if temporary.is_dir() and any(temporary.iterdir()) else None,
        )
    assert set(os.listdir(node_here.layout.pythons)) <= {".lock", ".gitignore"}


@pytest.mark.node
def test_who_waits_for_another_fetch_is_told_so_and_may_leave(node_here, folder, monkeypatch):
    serve_downloads(folder, monkeypatch, b"", "0" * 64)
    monkeypatch.setattr("buildpacks.interpreter_fetch._SAYS_EVERY_S", 0.01)
    lines = []
    with (
        hold_lock(node_here.layout.interpreter_lock, by="build", doing="fetching"),
        pytest.raises(Cancelled, match="the pusher went away"),
    ):
        ensure_interpreter(node_here, PythonRequest("3.14", "x"), Console(lines.append), lambda: "the pusher went away")
    assert lines[1].strip() == "another build is fetching a Python; waiting for it"


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.node
@pytest.mark.parametrize(
    ("text", "what", "why", "cure"),
    [
        ("3.14.999", "There is no Python 3.14.999 (.python-version)", "that uv can fetch is 3.14.77", "3.99"),
        ("4.0", "There is no Python 4.0 (.python-version)", "uv can fetch the newest of 3.14", "3.99"),
        ("2099", "There is no Python 2099 (.python-version)", "uv can fetch the newest of 3.14", "3.99"),
        ("3.99.5", "There is no Python 3.99.5 (.python-version)", "This node has 3.99.0", "3.99"),
    ],
)
def test_version_that_is_not_to_be_had_is_refused_before_uv_is_asked_for_it(
    node_here, folder, monkeypatch, text, what, why, cure
):
    put_python(folder / "bin/python3.99", "3.99.0")
    serve_downloads(folder, monkeypatch, b"", "0" * 64)
    lines = []
    with pytest.raises(ToppcloudError) as refused:
        ensure_interpreter(node_here, PythonRequest(text, ".python-version"), Console(lines.append))
    assert refused.value.what.startswith(what)
    assert why in refused.value.why
    assert refused.value.cure == f"Choose another: echo {cure} > .python-version"
    assert lines == []


def test_version_before_its_release_is_told_when_it_is_due(node_here):
    unreleased = next((m for m in RELEASES if judge(m, now_utc().date()) is Standing.UNRELEASED), None)
    if unreleased is None:
        pytest.skip("every version in the table is released by now")
    with pytest.raises(ToppcloudError) as refused:
        ensure_interpreter(node_here, PythonRequest(unreleased, "runtime.txt"), Console(print))
    assert refused.value.what == f"Python {unreleased} (runtime.txt) is not released yet."
    assert f"{RELEASES[unreleased].released:%B %Y}" in refused.value.why


def test_python_of_the_last_build_that_is_gone_has_its_own_message(node_here):
    with pytest.raises(ToppcloudError, match=r"The last build used 3\.98, and there is no such Python on this node"):
        ensure_interpreter(node_here, PythonRequest("3.98", "as before"), Console(print))


def test_folder_of_an_interpreter_that_the_operator_links_is_found(node_here, folder):
    put_python(folder / "elsewhere/3.99.1/bin/python3.99", "3.99.1")
    node_here.layout.pythons.mkdir()
    (node_here.layout.pythons / "ours").symlink_to(folder / "elsewhere/3.99.1")
    found = choose_interpreter(PythonRequest("3.99", "x"), find_interpreters(node_here).usable)
    assert (found.version, found.is_managed) == ("3.99.1", False)


def test_author_is_told_what_is_unwise_about_the_version(node_here, folder):
    put_python(folder / "bin/python3.12", "3.12.1")
    lines = []
    request = PythonRequest("3.12.1", "runtime.txt", ("runtime.txt counts.",))
    ensure_project_interpreter(node_here, request, Console(lines.append))
    assert lines[0] == " !     runtime.txt counts."
    assert lines[1].startswith(" !     Python 3.12.1 is outdated: 3.12.")


def test_author_who_asks_for_no_version_is_told_how_to_keep_it(node_here, folder):
    put_python(folder / "bin/python3.99", "3.99.1")
    lines = []
    ensure_project_interpreter(node_here, ANY_PYTHON, Console(lines.append))
    assert lines == ["         no version of Python is asked for; to stay on 3.99: echo 3.99 > .python-version"]


def test_end_of_life_is_no_matter_to_a_release_that_is_made_again(node_here, folder):
    put_python(folder / "bin/python3.8", "3.8.1")
    assert ensure_interpreter(node_here, PythonRequest("3.8", "slug.json"), Console(print)).version == "3.8.1"


def test_interpreter_is_told_from_another_build_of_its_version():
    assert make("3.12.1") != replace(make("3.12.1"), build="c")
