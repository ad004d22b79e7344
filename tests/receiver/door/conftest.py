"""A real front door and a real forker on a root of their own; a real ssh client that knows nothing else."""

from __future__ import annotations

import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.ssh_keys import make_host_key, make_user_key
from toppcloud.layout import Layout
from toppcloud.settings import NodeSettings, write_settings

PROBE = Path(__file__).with_name("probe_sessions.py")
TIMEOUT_S = 30


@dataclass
class FrontDoor:
    """ana has a key; bo has one that is not let in."""

    folder: Path
    layout: Layout
    port: int
    processes: dict[str, subprocess.Popen]

    def key(self, name: str) -> Path:
        return self.folder / name

    def public_key(self, name: str) -> str:
        return self.folder.joinpath(f"{name}.pub").read_text()

    def let_in(self, name: str) -> None:
        self.layout.person_key(name).parent.mkdir(parents=True, exist_ok=True)
        self.layout.person_key(name).write_text(self.public_key(name))

    def put_out(self, name: str) -> None:
        shutil.rmtree(self.layout.people / name, ignore_errors=True)

    def ssh(self, *words: str, key: str = "ana", options: tuple[str, ...] = (), user: str = "toppcloud") -> list[str]:
        return [
            "ssh", "-F", "none", "-i", str(self.key(key)), "-p", str(self.port), "-l", user,
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
            "-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}",
            *options, "127.0.0.1", *words,
        ]  # fmt: skip

    def run(self, *words: str, stdin: bytes = b"", **more) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.ssh(*words, **more), input=stdin, capture_output=True, timeout=TIMEOUT_S, env=self.environment
        )

    def open(self, *words: str, **more) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self.ssh(*words, **more), stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment)

    def open_terminal(self, *words: str) -> Terminal:
        """ssh -t under a terminal of 100 x 30."""
        pid, fd = pty.fork()
        if pid == 0:
            argv = self.ssh(*words, options=("-t",))
            os.execvpe(argv[0], argv, {**self.environment, "TERM": "vt220"})
        return Terminal(pid, fd)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def start(self, name: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-I", *words, "--root", str(self.layout.root)],
                cwd=self.layout.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_forker(self) -> None:
        self.start("sessions", str(PROBE))
        wait_for(self.layout.sessions_socket.exists)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@dataclass
class Terminal:
    """The person's end of a terminal in which ssh runs."""

    pid: int
    fd: int
    seen: bytes = b""

    def expect(self, text: bytes) -> None:
        while text not in self.seen:
            assert select.select([self.fd], [], [], TIMEOUT_S)[0], f"{text!r} did not come: {self.seen!r}"
            self.seen += os.read(self.fd, 4096)

    def type(self, data: bytes) -> None:
        os.write(self.fd, data)

    def wait(self) -> int:
        try:
            while select.select([self.fd], [], [], TIMEOUT_S)[0] and (data := os.read(self.fd, 4096)):
                self.seen += data
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def wait_for(condition, timeout_s: float = TIMEOUT_S):
    """The first true value of `condition`."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    folder = tmp_path_factory.mktemp("door")
    layout = Layout(folder / "root")
    for path in (layout.root, layout.run, layout.apps, layout.routes, layout.people):
        path.mkdir()
    port = _free_port()
    user = "nobody" if os.geteuid() == 0 else "toppcloud"
    settings = NodeSettings(ssh=f"127.0.0.1:{port}", app_user=user, session_memory_mb=512)
    write_settings(layout.node_toml, settings)
    make_host_key(layout.host_key)
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {layout.host_key_pub.read_text()}")
    door = FrontDoor(folder, layout, port, {})
    for name in ("ana", "bo"):
        make_user_key(folder / name, name)
    door.let_in("ana")
    try:
        door.start("door", "-m", "receiver.door")
        door.start_forker()
        wait_for(lambda: _answers(port))
        yield door
    finally:
        for process in door.processes.values():
            process.terminate()
        for process in door.processes.values():
            process.wait(TIMEOUT_S)
