"""The rival: what somebody sets up by hand on such a machine, nginx or Caddy in front of gunicorn, and nothing else.

The same code, virtualenv and number of workers as the node's app; nginx is configured as gunicorn's documentation has
it, without a log. Everything of it is ended when its folder is left.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.live_node import LiveNode, free_port
from benchmarks.section import Missing
from deploy.caddy import find_caddy
from deploy.environment import choose_web_concurrency
from deploy.release import require_live_release
from deploy.start import find_venv
from toppcloud.node import open_node
from toppcloud.slug import read_slug

_NGINX = """\
worker_processes auto;
pid {folder}/nginx.pid;
error_log stderr error;
daemon off;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/none;
    uwsgi_temp_path {folder}/none;
    scgi_temp_path {folder}/none;
{servers}
}}
"""
_SERVER = """\
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 4G;
        location / {{
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Host $http_host;
            proxy_redirect off;
            proxy_pass http://{upstream};
        }}
    }}
"""
_CADDY = """\
{{
    admin off
    auto_https off
}}
:{port} {{
    bind 127.0.0.1
    reverse_proxy {upstream}
}}
"""
_ANSWER_TIMEOUT_S = 30
_END_TIMEOUT_S = 10


@dataclass(frozen=True)
class OwnApp:
    """The app as one would run it by hand, from the files of a node's release."""

    source: Path
    venv: Path
    uid: int
    gid: int

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.venv}/bin:/usr/bin:/bin", "HOME": "/tmp"}

    def gunicorn(self, bind: str) -> list[str]:
        """With the workers that the node gives it."""
        workers = str(choose_web_concurrency())
        return [f"{self.venv}/bin/gunicorn", "app:app", "--workers", workers, "--bind", bind, "--no-control-socket"]

    def run(self, argv: list[str], **more: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            argv,
            cwd=self.source,
            env=self.environment,
            user=self.uid,
            group=self.gid,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            **more,
        )

    def measure_start(self) -> float:
        """From exec to the first answer, in seconds. The request waits in a socket that gunicorn inherits, so that
        nothing is asked twice."""
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            path = f"{folder}/app.sock"
            listener.bind(path)
            listener.listen()
            began = time.monotonic()
            process = self.run(self.gunicorn(f"fd://{listener.fileno()}"), pass_fds=(listener.fileno(),))
            try:
                with socket.socket(socket.AF_UNIX) as visitor:
                    visitor.settimeout(_ANSWER_TIMEOUT_S)
                    visitor.connect(path)
                    visitor.sendall(b"GET / HTTP/1.0\r\nHost: bench\r\n\r\n")
                    said = visitor.makefile("rb").read()
                    took_s = time.monotonic() - began
                    assert b" 200 OK" in said.splitlines()[0], said
                    return took_s
            finally:
                _end(process)


def find_app(live: LiveNode, name: str) -> OwnApp:
    """The live release of a node's app."""
    node = open_node(live.root)
    app = node.layout.app(name)
    release = require_live_release(app)
    slug = read_slug(app.slug(release.slug))
    assert slug is not None
    venv = find_venv(app, slug)
    assert venv is not None
    return OwnApp(app.release(release.version).source, venv, node.account.uid, node.account.gid)


@dataclass
class HandMade:
    """Servers that were set up by hand in a folder of their own, and end with it."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def in_new_folder(cls) -> Iterator[HandMade]:
        made = cls(Path(tempfile.mkdtemp(prefix="toppcloud-by-hand-", dir="/tmp")))
        made.folder.chmod(0o777)
        try:
            yield made
        finally:
            for process in reversed(made.processes):
                _end(process)
            shutil.rmtree(made.folder, ignore_errors=True)

    def start_gunicorn(self, app: OwnApp) -> subprocess.Popen[bytes]:
        """On app.sock in the folder."""
        process = app.run(app.gunicorn(f"unix:{self.folder}/app.sock"))
        self.processes.append(process)
        return process

    def start_nginx(self, upstreams: Mapping[str, str]) -> dict[str, int]:
        """One nginx with a server for each upstream: {"name": "unix:/x.sock"} -> {"name": port}. Waits for answers."""
        program = require_program("nginx")
        ports = {name: free_port() for name in upstreams}
        servers = "".join(_SERVER.format(port=ports[name], upstream=to) for name, to in upstreams.items())
        conf = self.folder / "nginx.conf"
        conf.write_text((_user_line() + _NGINX).format(folder=self.folder, servers=servers))
        self._start([program, "-p", str(self.folder), "-e", "stderr", "-c", str(conf)])
        for port in ports.values():
            wait_until_answers(port)
        return ports

    def start_caddy(self, upstream: str) -> int:
        """Its port, once it answers."""
        port = free_port()
        conf = self.folder / "Caddyfile"
        conf.write_text(_CADDY.format(port=port, upstream=upstream))
        self._start([str(find_caddy()), "run", "--config", str(conf), "--adapter", "caddyfile"])
        wait_until_answers(port)
        return port

    def _start(self, argv: list[str]) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        self.processes.append(
            subprocess.Popen(
                argv, cwd=self.folder, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        )


def require_program(name: str, package: str = "") -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"needs Debian's package {package or name}")
    return found


def wait_until_answers(port: int, host: str = "bench.localhost") -> None:
    deadline = time.monotonic() + _ANSWER_TIMEOUT_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": host})
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"what was set up by hand on port {port} does not answer")


def _user_line() -> str:
    """Started by root, nginx gives its workers to another account; it must reach the socket all the same."""
    return "user root;\n" if os.geteuid() == 0 else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
