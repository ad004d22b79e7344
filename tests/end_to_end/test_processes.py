"""What runs, and what it is given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]
GIVEN = {
    "PATH", "HOME", "LANG", "TMPDIR", "PORT", "PYTHONUNBUFFERED", "FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY",
    "VIRTUAL_ENV", "TOPPCLOUD_APP", "TOPPCLOUD_RELEASE", "TOPPCLOUD_PROCESS", "SOURCE_VERSION",
    "LISTEN_FDS", "LISTEN_PID", "GUNICORN_CMD_ARGS",
}  # fmt: skip
OF_SHELL_AND_GUNICORN = {"PWD", "SHLVL", "_", "OLDPWD", "SERVER_SOFTWARE", "LC_CTYPE"}
SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"port-{os.environ.get('MARK', '')}; {self.headers['Host']}".encode())
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_a_web_process_is_given_exactly_what_is_documented(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.toppcloud("config:set", "MINE=1")
    given = json.loads(node.request(repository.app, "/environ").text)
    taken_by_gunicorn = {"LISTEN_FDS", "LISTEN_PID"}
    assert set(given) - OF_SHELL_AND_GUNICORN == GIVEN - taken_by_gunicorn | {"MINE"}
    assert given["TOPPCLOUD_RELEASE"] == "v2"
    assert given["TOPPCLOUD_PROCESS"] == "web.1"
    assert given["SOURCE_VERSION"] == repository.git("rev-parse", "HEAD")
    assert given["HOME"] == str(node.layout.app(repository.app).release(2).source)


def test_a_request_carries_the_visitor(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    headers = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil"}
    seen = json.loads(node.request(repository.app, "/request", headers=headers).text)
    host = f"{repository.app}.localhost"
    assert seen["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert seen["HTTP_X_FORWARDED_PROTO"] == "http"
    assert seen["HTTP_X_FORWARDED_HOST"].split(":")[0] == host
    assert seen["HTTP_X_FORWARDED_PORT"] == str(node.http_port)
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["HTTP_HOST"].split(":")[0] == host


@pytest.mark.parametrize("line", ["python server.py", "true && python server.py", "echo hi; python server.py"])
def test_a_program_on_its_port_is_reached_and_stopped_whole(node: LiveNode, live_app: Make, line: str) -> None:
    repository = live_app({"server.py": SERVER, "requirements.txt": "gunicorn\n", "Procfile": f"web: {line}\n"})
    assert node.request(repository.app).text.startswith("port-;")
    old = json.loads(repository.toppcloud("ps", "--json").out)[0]["pid"]
    assert repository.toppcloud("config:set", "MARK=two").status == 0
    assert node.request(repository.app).text.startswith("port-two;")
    wait_until(lambda: not Path(f"/proc/{old}").exists())
    servers = [pid for pid in pids_running("server.py") if str(node.layout.app(repository.app).folder) in cwd(pid)]
    assert len(servers) == 1


@pytest.mark.parametrize(
    "line", ["gunicorn --config conf.py app:app", "gunicorn app:app --bind 0.0.0.0:$PORT -c conf.py"]
)
def test_the_apps_own_gunicorn_config_counts(node: LiveNode, live_app: Make, line: str) -> None:
    conf = 'import os\nbind = "[::]:" + os.environ["PORT"]\nreuse_port = True\nraw_env = ["MARK=conf"]\n'
    repository = live_app({**plain_files(), "conf.py": conf, "Procfile": f"web: {line}\n"})
    assert node.request(repository.app).text == "one mark=conf;"
    assert json.loads(node.request(repository.app, "/request").text)["REMOTE_ADDR"] == "127.0.0.1"


def test_workers_never_overlap_with_their_successors(node: LiveNode, live_app: Make) -> None:
    worker = (
        "import os, signal, sys, time\n"
        "log = open(os.environ['WORKER_LOG'], 'a', buffering=1)\n"
        "log.write('start ' + os.environ['TOPPCLOUD_RELEASE'] + '\\n')\n"
        "def end(*_):\n    time.sleep(0.3)\n"
        "    log.write('end ' + os.environ['TOPPCLOUD_RELEASE'] + '\\n')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "while True: time.sleep(1)\n"
    )
    log = node.folder / f"worker-{time.monotonic_ns()}.log"
    log.touch()
    log.chmod(0o666)
    repository = live_app(
        {**plain_files(), "worker.py": worker, "Procfile": "web: gunicorn app:app\nworker: python worker.py\n"}
        | {"toppcloud.toml": ""}
    )
    repository.toppcloud("config:set", f"WORKER_LOG={log}")
    wait_until(lambda: "start v2" in log.read_text())
    repository.toppcloud("config:set", "MARK=x")
    wait_until(lambda: "start v3" in log.read_text())
    assert log.read_text().split() == ["start", "v2", "end", "v2", "start", "v3"]


def test_scale_stop_and_start(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.toppcloud("config:set", "GUNICORN_CMD_ARGS=--workers 1")
    said = repository.toppcloud("ps:scale", "web=2")
    assert said.status == 0, said.all
    wait_until(lambda: [row["process"] for row in ps(repository) if row["state"] == "awake"] == ["web.1", "web.2"])
    assert repository.toppcloud("ps:stop").status == 0
    answer = node.request(repository.app)
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert repository.toppcloud("ps:start").status == 0
    assert node.request(repository.app).text.startswith("one")
    assert repository.toppcloud("ps:restart").status == 0
    assert node.request(repository.app).text.startswith("one")
    assert repository.toppcloud("ps:scale", "wob=2").status == 1


def test_logs_have_what_the_app_wrote(node: LiveNode, live_app: Make) -> None:
    code = plain_files()["app.py"].replace("def app(", "print('hello from the app')\n\ndef app(")
    repository = live_app({**plain_files(), "app.py": code})
    wait_until(lambda: "hello from the app" in repository.toppcloud("logs", "-n", "50", "--process", "web").out)


def test_run_passes_streams_and_status(live_app: Make) -> None:
    repository = live_app()
    said = repository.toppcloud(
        "run", "--", "sh", "-c", "cat; echo $TOPPCLOUD_PROCESS; echo err >&2; exit 7", stdin="in\n"
    )
    assert (said.status, said.out) == (7, "in\nrun.1\n")
    assert "err" in said.err
    assert repository.toppcloud("run", "python", "-c", "print('a b')").out == "a b\n"


def ps(repository: Repository) -> list[dict[str, object]]:
    value: list[dict[str, object]] = json.loads(repository.toppcloud("ps", "--json").out)
    return value


def wait_until(is_so: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def pids_running(word: str) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in words:
                found.append(int(path.name))
    return found


def cwd(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def test_a_renamed_app_serves_on_with_its_virtualenv_its_database_and_its_releases(
    node: LiveNode, live_app: Make
) -> None:
    files = plain_files("one", **{"app.json": '{"addons": ["heroku-postgresql"]}'})
    repository = live_app({**files, "Procfile": "web: gunicorn app:app\nrelease: gunicorn --version\n"})
    assert repository.toppcloud("config:set", "MARK=x").status == 0
    new_name = f"{repository.app}-renamed-to-longer"
    said = repository.toppcloud("apps:rename", new_name)
    assert said.status == 0, said.all
    assert node.request(new_name).text == "one mark=x;"
    assert node.request(repository.app).status == 404
    assert node.ssh("run", "-a", new_name, "gunicorn", "--version").status == 0
    assert node.ssh("pg:psql", "-a", new_name, "-c", "select 1").status == 0
    said = node.ssh("rollback", "-a", new_name, "--release-command")
    assert said.status == 0, said.all
    assert "gone" not in said.all
    assert node.request(new_name).text == "one mark=;"


def test_an_app_that_is_renamed_in_its_sleep_serves_on(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    new_name = f"{repository.app}-renamed"
    assert repository.toppcloud("ps:sleep").status == 0
    said = repository.toppcloud("apps:rename", new_name)
    assert said.status == 0, said.all
    assert node.request(new_name).text.startswith("one")
    assert node.request(repository.app).status == 404


def test_stopping_an_app_without_a_release_leaves_no_trace(node: LiveNode, new_app: Make) -> None:
    repository = new_app()
    assert repository.toppcloud("apps:create", repository.app).status == 0
    assert repository.toppcloud("ps:stop").status == 1
    assert repository.push().status == 0
    assert node.request(repository.app).text.startswith("one")


def test_an_app_without_a_web_process_goes_live_and_says_so(node: LiveNode, live_app: Make) -> None:
    files = {"work.py": "import time\nwhile True: time.sleep(1)\n", "requirements.txt": "gunicorn\n"}
    repository = live_app({**files, "Procfile": "worker: python work.py\n"})
    repository.commit("Second", {"more.txt": ""})
    said = repository.push()
    assert said.status == 0, said.all
    assert "no web process, so nothing to see at http://" in said.err
    assert "v2 live\n" in "\n".join(line.rstrip() for line in said.err.splitlines())
    assert [row["process"] for row in ps(repository) if row["state"] == "up"] == ["worker.1"]
    assert node.request(repository.app).status == 503
    repository.commit("A web process", {**plain_files(), "Procfile": "web: gunicorn app:app\nworker: python work.py\n"})
    assert repository.push().status == 0
    assert node.request(repository.app).text.startswith("one")
