"""A real node in a folder of its own, driven as a person would: git and ssh from outside, HTTP through the router.

Used by the benchmarks and by the end-to-end tests.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.ssh_keys import make_user_key
from toppcloud.files import remove_tree
from toppcloud.layout import Layout
from toppcloud.settings import read_settings

TOPPCLOUD = Path(sys.executable).with_name("toppcloud")
COMMAND_TIMEOUT_S = 180


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


def choose_place() -> Path:
    """Where nodes are made: the folder that BENCH_IN names, else /tmp."""
    return Path(os.environ.get("BENCH_IN") or "/tmp")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class LiveNode:
    """A node that was started for this run, and everything a client of it needs."""

    folder: Path
    ssh_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)

    @classmethod
    def in_new_folder(cls) -> LiveNode:
        """In a folder that every account may enter, since root's node runs apps under another one."""
        folder = Path(tempfile.mkdtemp(prefix="toppcloud-", dir=choose_place()))
        folder.chmod(0o755)
        return cls(folder)

    @classmethod
    @contextlib.contextmanager
    def running(cls, *words: str) -> Iterator[LiveNode]:
        """Started with these words, in a new folder, and removed at the end."""
        node = cls.in_new_folder()
        try:
            node.start(*words)
            yield node
        finally:
            node.remove()

    @property
    def root(self) -> Path:
        return self.folder / "node"

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def environment(self) -> dict[str, str]:
        """The client's own: its HOME is the folder, so nobody's git and ssh settings count."""
        return {
            "HOME": str(self.folder),
            "PATH": f"{TOPPCLOUD.parent}:{os.environ['PATH']}",
            "GIT_SSH_COMMAND": self.ssh_command,
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
        }

    @property
    def ssh_command(self) -> str:
        known_hosts = shlex.quote(str(self.folder / "known_hosts"))
        options = f"-F none -i {shlex.quote(str(self.key))} -o IdentitiesOnly=yes -o BatchMode=yes"
        return f"ssh {options} -o UserKnownHostsFile={known_hosts}"

    def start(self, *words: str) -> Said:
        """`toppcloud node start`; fails loudly when it does not."""
        if not self.key.exists():
            make_user_key(self.key)
        options = ["--ssh", f"127.0.0.1:{self.ssh_port}", "--http", f"127.0.0.1:{self.http_port}"]
        said = self.node("start", *options, "--admin-key", f"{self.key}.pub", *words)
        assert said.status == 0, said.all
        host_key = self.layout.host_key_pub.read_text().strip()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.ssh_port} {host_key}\n")
        return said

    def stop(self) -> Said:
        return self.node("stop")

    def remove(self) -> None:
        self.stop()
        with contextlib.suppress(OSError):
            remove_tree(self.folder)  # read-only virtualenvs included

    def node(self, *words: str) -> Said:
        return self.run([str(TOPPCLOUD), "node", *words, "--root", str(self.root)])

    def run(self, argv: list[str], *, cwd: Path | None = None, stdin: str | None = None) -> Said:
        """Run a client's program."""
        done = subprocess.run(
            argv,
            env=self.environment,
            cwd=cwd or self.folder,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def ssh(self, *words: str, stdin: str | None = None) -> Said:
        """A command over plain ssh, each word quoted for the node."""
        return self.run([*self.ssh_words(), shlex.join(words)], stdin=stdin)

    def ssh_words(self) -> list[str]:
        return [*shlex.split(self.ssh_command), "-p", str(self.ssh_port), "toppcloud@127.0.0.1"]

    def host(self, app: str) -> str:
        return read_settings(self.layout.node_toml).host(app)

    def request(
        self,
        app_or_host: str,
        path: str = "/",
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request through the router."""
        host = app_or_host if "." in app_or_host else self.host(app_or_host)
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request(method, path, body=body, headers={"Host": host, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode(errors="replace"), dict(response.getheaders()))
        finally:
            connection.close()

    def wait_for(self, app: str, text: str, *, path: str = "/", timeout_s: float = 30) -> float:
        """Ask again and again until an answer holds `text`; returns the moment at which it came."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if text in self.request(app, path).text:
                return time.monotonic()
            time.sleep(0.002)
        raise AssertionError(f"{app}{path} does not say {text!r}: {self.request(app, path)}")

    def repository(self, app: str, files: Mapping[str, str]) -> Repository:
        """A git repository with these files as its first commit, and the node as its remote `toppcloud`."""
        repository = self.open_repository(app)
        repository.path.mkdir()
        repository.git("init", "-q", "-b", "main")
        repository.git("config", "user.name", "Ana")
        repository.git("config", "user.email", "ana@example.com")
        repository.git("remote", "add", "toppcloud", f"ssh://toppcloud@127.0.0.1:{self.ssh_port}/{app}")
        repository.commit("First", files)
        return repository

    def open_repository(self, app: str) -> Repository:
        """The one that was made before."""
        return Repository(self, app, self.folder / f"work-{app}")


@dataclass(frozen=True)
class Repository:
    """A person's work copy."""

    node: LiveNode
    app: str
    path: Path

    def git(self, *words: str) -> str:
        said = self.node.run(["git", *words], cwd=self.path)
        assert said.status == 0, said.all
        return said.out.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str, files: Mapping[str, str]) -> str:
        """Write, add all, commit; returns the commit."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *words: str) -> Said:
        """`git push toppcloud main` unless told otherwise."""
        return self.node.run(["git", "push", *(words or ("toppcloud", "main"))], cwd=self.path)

    def toppcloud(self, *words: str, stdin: str | None = None) -> Said:
        """The laptop command, in this repository."""
        return self.node.run([str(TOPPCLOUD), *words], cwd=self.path, stdin=stdin)
