"""A real node in a folder of its own, with tiny apps that were made by hand instead of by a push."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.app_settings import update_app_settings
from deploy.doorman_client import DoormanClient
from deploy.first_person import Starter
from deploy.host import StartOptions, start_node, stop_node
from deploy.process_record import read_processes, read_start_time
from deploy.release import Release, write_release
from deploy.render import render_program
from deploy.start_key import StartKey
from deploy.supervisor import Supervisor
from tests.tiny_slug import TINY_SLUG
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import swap_symlink, write_file, write_json
from toppcloud.layout import Layout
from toppcloud.node import Node, open_node
from toppcloud.program import find_program
from toppcloud.settings import NodeSettings, write_settings
from toppcloud.slug import Check, write_slug

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
LIMIT_S = 20.0


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(is_so: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    return wait_until


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return find_free_port


@dataclass
class TinyNode:
    """A node that runs, or did."""

    root: Path
    ssh_port: int
    http_port: int
    home: Path
    router: str = "caddy"
    said: list[str] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    @property
    def node(self) -> Node:
        return open_node(self.root)

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.layout)

    @property
    def doorman(self) -> DoormanClient:
        return DoormanClient(self.layout)

    def start(self, admin_key: Path | None = None) -> bool:
        options = StartOptions(f"127.0.0.1:{self.ssh_port}", f"127.0.0.1:{self.http_port}", self.router)
        return start_node(self.root, options, Starter("ana", self.home, admin_key), Console(self.said.append))

    def stop(self) -> bool:
        return stop_node(self.root)

    def pid(self, program: str) -> int:
        state = self.supervisor.state(program)
        assert state and state.pid
        return state.pid

    def kill(self, program: str) -> None:
        """kill -9, and wait until supervisord has started it again."""
        before = self.pid(program)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: (s := self.supervisor.state(program)) and s.pid not in (None, before))

    def is_attended(self) -> bool:
        """Whether its doorman answers."""
        with contextlib.suppress(ToppcloudError):
            self.doorman.ping()
            return True
        return False

    def kill_together(self, *programs: str) -> None:
        """kill -9, and none of them can mend the other's end."""
        pids = [self.pid(program) for program in programs]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, number)
        wait_until(lambda: all(read_start_time(pid) is None for pid in pids))

    def kill_all(self) -> None:
        """kill -9 of every process of the node; frozen before, or some would be started again meanwhile."""

        def kill_what_lives() -> bool:
            alive = [record for record in read_processes(self.layout.pids) if record.is_alive]
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for record in sorted(alive, key=lambda record: record.name not in ("supervisord", "doorman")):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(record.pid, number)
            return not alive

        wait_until(kill_what_lives)

    def get(self, host: str, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=LIMIT_S)
        with contextlib.closing(connection):
            return ask(connection, method, host, path, body, headers)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.http_port), timeout=LIMIT_S)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: http.client.HTTPMessage

    @property
    def json(self) -> dict:
        return json.loads(self.text)


def ask(
    connection: http.client.HTTPConnection, method: str, host: str, path: str, body: bytes | None, headers: dict
) -> Answer:
    connection.request(method, path, body, {"Host": host, **{k.replace("_", "-"): v for k, v in headers.items()}})
    response = connection.getresponse()
    return Answer(response.status, response.read().decode(), response.headers)


@dataclass
class TinyApp:
    """An app whose releases are written by hand. Each start has one web process, `tiny_server.py WORD`."""

    tiny: TinyNode
    name: str

    @property
    def host(self) -> str:
        return f"{self.name}.localhost"

    def render(self, key: StartKey, *words: str, argv: list[str] | None = None, env: dict | None = None) -> str:
        """Write the files of a start; its program's name."""
        layout = key.layout(self.tiny.layout)
        layout.folder.mkdir(parents=True)
        source = key.release_layout(self.tiny.layout).source
        source.mkdir(exist_ok=True)
        self.tiny.layout.app(self.name).log.mkdir(exist_ok=True)
        program = f"{key.app}.web.1.v{key.release}.{key.start}"
        account = self.tiny.node.account
        # the test's own folder may be closed to the account, as a clone in /root is
        server = str(shutil.copy(HERE / "tiny_server.py", source / "tiny_server.py"))
        spec = {
            "program": program,
            "argv": argv or ["/usr/bin/python3", "-S", server, *(words or (f"v{key.release}.{key.start}",))],
            "env": {"PATH": "/usr/bin:/bin", **(env or {})},
            "cwd": str(source),
            "uid": None if account.is_self else account.uid,
            "gid": None if account.is_self else account.gid,
            "socket": key.name,
            "output": str(self.tiny.layout.output_pipe(program)),
            "umask": 0o022,
            "root": str(self.tiny.root),
        }
        write_json(layout.spec("web.1"), spec, mode=0o600)
        launcher = [sys.executable, "-I", "-S", str(REPOSITORY / "deploy" / "launcher.py"), str(layout.spec("web.1"))]
        write_file(layout.program("web.1"), render_program(program, launcher, drain_s=10, stop_group=False))
        return program

    def run(self, key: StartKey, *words: str, **more: object) -> str:
        """Render a start, open its socket, start its program."""
        program = self.render(key, *words, **more)
        self.tiny.doorman.open_socket(key.app, key.release, key.start)
        self.tiny.supervisor.add(key.layout(self.tiny.layout).program("web.1"))
        self.tiny.supervisor.start(program)
        return program

    def activate(self, key: StartKey) -> None:
        app = self.tiny.layout.app(self.name)
        record = Release(key.release, "push", "", "", "slug", "ana", "", {"web": "x"}, None)
        write_release(app.release(key.release), record)  # the router looks whether it is there
        slug = app.slug("slug")
        (slug.venv / "bin").mkdir(parents=True, exist_ok=True)
        (slug.venv / "bin" / "python").touch()
        write_slug(slug, dataclasses.replace(TINY_SLUG, check=Check(timeout_s=2.0)))
        swap_symlink(app.release(key.release).web_sock, f"starts/{key.start}/web.sock")
        swap_symlink(app.current, f"releases/{key.release}")
        swap_symlink(self.tiny.layout.route(self.host), f"../apps/{self.name}")
        self.tiny.doorman.attend(key.app, key.release, key.start)

    def go_live(self, release: int, start: int = 1, words: tuple[str, ...] = (), **more: object) -> StartKey:
        key = StartKey(self.name, release, start)
        self.run(key, *words, **more)
        self.activate(key)
        return key

    def retire(self, key: StartKey) -> None:
        self.tiny.doorman.retire(key.app, key.release, key.start)

    def set_idle(self, idle: str) -> None:
        """As `ps:idle` does."""
        app = self.tiny.layout.app(self.name)
        app.folder.mkdir(exist_ok=True)
        update_app_settings(app, idle=idle)

    def state(self) -> str:
        """As the doorman sees its live start."""
        return self.tiny.doorman.states()[self.name].state

    def wait_until_up(self, word: str, path: str = "/") -> None:
        wait_until(lambda: self.tiny.get(self.host, path).text == word)

    def log(self) -> str:
        path = self.tiny.layout.app(self.name).output
        return path.read_text() if path.exists() else ""


class Traffic:
    """GETs and POSTs, on fresh and kept connections, until the block ends. Every answer is looked at."""

    def __init__(self, tiny: TinyNode, host: str) -> None:
        self.tiny, self.host = tiny, host
        self.failures: list[str] = []
        self.served = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(kept,)) for kept in (False, False, True)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        self.wait_for(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Until so many more requests were served."""
        wanted = self.served + more
        wait_until(lambda: self.served >= wanted or self.failures)

    def _visit(self, keeps: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.tiny.http_port, timeout=LIMIT_S)
        count = 0
        while not self._over.is_set():
            count += 1
            method, body = ("POST", b"body") if count % 2 else ("GET", None)
            try:
                answer = ask(connection, method, self.host, "/", body, {})
                if answer.status == 200:
                    self.served += 1
                else:
                    self.failures.append(f"{method} {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{method} {error!r}")
                connection.close()
            if not keeps:
                connection.close()
            time.sleep(0.004)
        connection.close()


@pytest.fixture
def make_traffic() -> Callable[[TinyNode, str], Traffic]:
    return Traffic


@contextlib.contextmanager
def fresh_node(name: str = "n", router: str = "caddy") -> Iterator[TinyNode]:
    """A folder that the accounts of a root node can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="tc-"))
    folder.chmod(0o755)
    (folder / "home").mkdir(mode=0o700)
    tiny = TinyNode(folder / name, find_free_port(), find_free_port(), folder / "home", router)
    try:
        yield tiny
    finally:
        with contextlib.suppress(Exception):
            tiny.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stopped_node() -> Iterator[TinyNode]:
    """A node that was never started."""
    with fresh_node() as tiny:
        yield tiny


@pytest.fixture
def long_node() -> Iterator[TinyNode]:
    """A node whose root has 200 characters, with spaces and what configuration files mind."""
    name = "it's 100% ; #1 $HOME {x} "
    with fresh_node(name) as tiny:
        tiny.root = Path(str(tiny.root) + "x" * (200 - len(str(tiny.root))))
        yield tiny


@pytest.fixture(scope="module")
def tiny_node() -> Iterator[TinyNode]:
    """A running node, shared by the tests of a module; each makes an app of its own."""
    with fresh_node() as tiny:
        tiny.start()
        yield tiny


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def routed_node(request: pytest.FixtureRequest) -> Iterator[TinyNode]:
    """As tiny_node, once behind each router. It takes uploads of 4 MB at most."""
    if request.param == "nginx" and find_program("nginx") is None:
        pytest.skip("needs Debian's package nginx-light")
    with fresh_node(router=request.param) as tiny:
        tiny.root.mkdir(mode=0o755)
        write_settings(tiny.layout.node_toml, NodeSettings(largest_upload_mb=4))
        tiny.start()
        yield tiny


@pytest.fixture
def make_app() -> Callable[[TinyNode, str], TinyApp]:
    return TinyApp


@pytest.fixture(scope="module")
def make_module_app() -> Callable[[TinyNode, str], TinyApp]:
    """As make_app, for fixtures that live as long as a module."""
    return TinyApp
