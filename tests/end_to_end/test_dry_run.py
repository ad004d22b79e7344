"""`git push -o dry-run`: any branch is built and asked, and nothing is left of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository, Said
from tests.plain_app import plain_files
from toppcloud.lock import read_holder

pytestmark = pytest.mark.node
Make = Callable[..., Repository]

FAILING = 'def app(environ, start_response):\n    start_response("500 Oh", [])\n    return [b"oh"]\n'
SLEEPING = "import time\ntime.sleep(600)\n"


def dry_run(repository: Repository, branch: str = "feature", *options: str) -> Said:
    words = [word for option in ("dry-run", *options) for word in ("-o", option)]
    return repository.push(*words, "toppcloud", f"HEAD:refs/heads/{branch}")


def start_dry_run(repository: Repository) -> subprocess.Popen[bytes]:
    """In a process group of its own, as at a terminal: git and its ssh."""
    return subprocess.Popen(
        ["git", "push", "-o", "dry-run", "toppcloud", "HEAD:refs/heads/feature"],
        env=repository.node.environment,
        cwd=repository.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def list_state(node: LiveNode, repository: Repository) -> dict[str, object]:
    """Every file of the app but what builds cache and what the kernel and the logger write, with its size and time."""
    app = node.layout.app(repository.app)
    kept = {}
    for path in sorted(Path(folder, name) for folder, *lists in os.walk(app.folder) for name in [*lists[0], *lists[1]]):
        name = str(path.relative_to(app.folder))
        if not name.startswith(("venvs/", "cache/", "log/", "lock.", "repo.git/quarantine")):
            with contextlib.suppress(FileNotFoundError):  # it is being removed
                info = path.lstat()
                kept[name] = (info.st_mode, info.st_ino, info.st_size if path.is_file() else 0)
    return {
        "files": kept,
        "routes": sorted(path.name for path in node.layout.routes.iterdir()),
        "apps": node.layout.app_names(),
        "tracked": repository.git("for-each-ref", "refs/remotes"),
        "here": sorted(path.name for path in node.layout.dry_runs.iterdir()) if node.layout.dry_runs.exists() else [],
    }


def of_trial(repository: Repository) -> list[int]:
    """Its processes, as their environment tells."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (path / "environ").read_bytes().split(b"\0")
            if {b"TOPPCLOUD_RELEASE=dry-run", f"TOPPCLOUD_APP={repository.app}".encode()} <= {*variables}:
                found.append(int(path.name))
    return found


def wait_until(is_so: Callable[[], object], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_branch_that_would_go_live_is_told_and_nothing_changes(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    before = list_state(node, repository)
    repository.git("switch", "-q", "-c", "feature")
    repository.commit("Second", {"app.py": plain_files("two")["app.py"]})
    said = dry_run(repository)
    assert said.status == 0, said.all
    assert "web: gunicorn app:app; answered / with 200" in said.err
    assert "dry run: it would go live. Nothing was changed." in said.err
    commit = repository.git("rev-parse", "HEAD").strip()
    assert f"To deploy it: git push toppcloud {commit[:12]}:refs/heads/main" in said.err
    assert "HEAD -> refs/dry-run/feature" in said.err
    assert list_state(node, repository) == before
    assert node.request(repository.app).text.startswith("one")
    assert not of_trial(repository)
    said = repository.push("toppcloud", "feature:main")
    assert said.status == 0, said.all
    assert "v2 live" in said.err


def test_refused_branches_are_an_exit_status_with_the_apps_own_lines(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    before = list_state(node, repository)
    repository.commit("Broken", {"app.py": "import nowhere\n"})
    said = dry_run(repository)
    assert said.status == 1
    assert "No module named 'nowhere'" in said.err
    assert "(web process exits at start)" in said.err
    repository.commit("Failing", {"app.py": FAILING})
    said = dry_run(repository, "main")
    assert said.status == 1
    assert "It would not go live: it answered / with 500." in said.err
    repository.commit("Not to be built", {"requirements.txt": "no-such-package-of-toppcloud==1\n"})
    assert dry_run(repository).status == 1
    assert list_state(node, repository) == before
    assert "v1" in repository.toppcloud("releases").out
    assert "v2" not in repository.toppcloud("releases").out


def test_500_while_a_release_command_is_pending_is_undecided(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    before = list_state(node, repository)
    procfile = "web: gunicorn app:app\nrelease: touch released\nworker: sleep 60\n"
    repository.commit("Failing", {"app.py": FAILING, "Procfile": procfile})
    said = dry_run(repository)
    assert said.status == 0, said.all
    assert "undecided: / answered 500, but the release command (touch released) did not run." in said.err
    assert "not started: worker" in said.err
    assert list_state(node, repository) == before


def test_app_that_does_not_exist_is_tried_and_not_made(node: LiveNode, new_app: Make) -> None:
    repository = new_app()
    said = dry_run(repository, "main")
    assert said.status == 0, said.all
    assert f"{repository.app} does not exist yet, and was not made" in said.err
    assert not node.layout.app(repository.app).folder.exists()
    assert list(node.layout.dry_runs.iterdir()) == []
    assert repository.push().status == 0
    assert node.request(repository.app).text.startswith("one")


def test_app_that_was_made_and_never_pushed_has_nothing_afterwards(node: LiveNode, new_app: Make) -> None:
    repository = new_app(plain_files() | {"toppcloud.toml": '[services.files]\nkeep = ["media"]\n'})
    assert repository.toppcloud("apps:create", repository.app).status == 0
    assert repository.toppcloud("config:set", "MARK=staged").status == 0
    before = list_state(node, repository)
    said = dry_run(repository)
    assert said.status == 0, said.all
    assert list_state(node, repository) == before
    assert repository.push().status == 0
    assert "mark=staged" in node.request(repository.app).text


def test_what_is_tried_sees_the_config_and_none_of_the_files(node: LiveNode, new_app: Make) -> None:
    toml = '[services.files]\nkeep = ["media"]\n[checks]\npath = "/seen"\n'
    repository = new_app(plain_files() | {"toppcloud.toml": toml, "media/first.txt": "first\n"})
    assert repository.push().status == 0
    assert repository.toppcloud("config:set", "MARK=yes").status == 0
    app = node.layout.app(repository.app)
    looks = (
        "import os\n"
        "def app(environ, start_response):\n"
        "    good = os.environ['MARK'] == 'yes' and os.environ['TOPPCLOUD_RELEASE'] == 'dry-run'\n"
        f"    good = good and os.environ['FILES_DIR'] != {str(app.files)!r} and environ['PATH_INFO'] == '/seen'\n"
        "    open('media/second.txt', 'w').write('second')\n"
        "    start_response('200 OK' if good else '500 Oh', [])\n"
        "    return [b'']\n"
    )
    repository.commit("Looks", {"app.py": looks})
    said = dry_run(repository)
    assert said.status == 0, said.all
    assert [path.name for path in (app.files / "media").iterdir()] == ["first.txt"]
    repository.commit("Needs them", {"app.py": "import os\nassert os.path.exists('media/none')\n"})
    said = dry_run(repository)
    assert said.status == 1
    assert "Perhaps because the kept files (media) are left out of a dry run." in said.err


@pytest.mark.parametrize(
    ("procfile", "requirements"),
    [
        ("web: python server.py", "gunicorn\n"),
        ("web: echo begins && python server.py", "gunicorn\n"),
        ("web: uvicorn asgi:app", "uvicorn\n"),
        ("web: hypercorn asgi:app", "hypercorn\n"),
    ],
    ids=["$PORT", "shell", "uvicorn", "hypercorn"],
)
def test_every_way_to_serve_is_tried(node: LiveNode, new_app: Make, procfile: str, requirements: str) -> None:
    server = (
        "import http.server, os\n"
        "address = '127.0.0.1', int(os.environ['PORT'])\n"
        "http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    asgi = (
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http': return\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'hello'})\n"
    )
    files = {"server.py": server, "asgi.py": asgi, "Procfile": f"{procfile}\n", "requirements.txt": requirements}
    repository = new_app(files)
    said = dry_run(repository)
    assert said.status == 0, said.all
    assert "answered / with 200" in said.err
    assert ("through its $PORT" in said.err) == ("server.py" in procfile)
    assert not of_trial(repository)


def test_without_its_check_it_is_built_only(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.commit("Broken", {"app.py": "import nowhere\n"})
    said = dry_run(repository, "feature", "no-check", "no-cache")
    assert said.status == 0, said.all
    assert "not started (no-check)" in said.err


def test_declared_service_is_named_and_not_made(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    before = list_state(node, repository)
    repository.commit("Data", {"toppcloud.toml": "[services.postgres]\n"})
    said = dry_run(repository)
    assert said.status == 0, said.all
    assert "postgres would be made" in said.err
    assert list_state(node, repository) == before


def test_apache_of_the_apps_own_is_tried(node: LiveNode, new_app: Make) -> None:
    if not Path("/usr/lib/apache2/modules/mod_wsgi.so").exists():
        pytest.skip("needs Debian's package libapache2-mod-wsgi-py3")
    repository = new_app({"app.py": plain_files()["app.py"], "requirements.txt": "gunicorn\n"})
    toml = '[web]\nrunner = "mod_wsgi"\nwsgi = "app:app"\n'
    repository.commit("Apache", {"toppcloud.toml": toml})
    said = dry_run(repository)
    assert said.status == 0, said.all
    assert "answered / with 200 through its $PORT" in said.err
    assert not of_trial(repository)


def test_silent_web_process_is_told_apart_and_ended(node: LiveNode, new_app: Make) -> None:
    server = "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint('here', flush=True)\ns.accept()\n"
    toml = '[checks]\ntimeout = "2s"\n'
    files = {"server.py": server, "Procfile": "web: python server.py\nrelease: true\n", "toppcloud.toml": toml}
    repository = new_app(files | {"requirements.txt": "gunicorn\n"})
    said = dry_run(repository)
    assert said.status == 1
    assert "did not answer within 2 s" in said.err
    assert "It listens on 127.0.0.1:" in said.err
    assert "Perhaps because the release command (true) did not run." in said.err
    assert not of_trial(repository)


def test_site_of_files_is_built(node: LiveNode, new_app: Make) -> None:
    repository = new_app({"toppcloud.toml": '[web]\nstatic = "public"\n', "public/index.html": "hello"})
    said = dry_run(repository, "main")
    assert said.status == 0, said.all
    assert "no web process, so nothing was started" in said.err
    assert "dry run: it would go live." in said.err
    assert "To deploy it: git push toppcloud main " in said.err


def test_node_that_stops_leaves_no_process_and_no_folder_after_its_next_start() -> None:
    with LiveNode.running() as node:
        repository = node.repository("blog", plain_files())
        assert repository.push().status == 0
        slugs = node.layout.app("blog").slugs
        before = list(slugs.iterdir())
        repository.commit("Slow", {"app.py": SLEEPING})
        push = start_dry_run(repository)
        wait_until(lambda: of_trial(repository))
        stale = node.layout.app("blog").dry_run("left").folder
        stale.mkdir()
        node.stop()
        push.wait(30)
        wait_until(lambda: not of_trial(repository))
        node.start()
        assert list(slugs.iterdir()) == before


def test_push_waits_for_a_dry_run_that_builds_until_that_ends_or_is_cancelled(node: LiveNode, new_app: Make) -> None:
    slow = "import time\nfrom setuptools import setup\ntime.sleep(120)\nsetup(name='slow')\n"
    repository = new_app()
    assert repository.push().status == 0
    before = list_state(node, repository)
    app = node.layout.app(repository.app)
    repository.git("switch", "-q", "-c", "feature")
    repository.commit("Slow", {"slow/setup.py": slow, "requirements.txt": "gunicorn\n./slow\n"})
    trying = start_dry_run(repository)
    wait_until(lambda: read_holder(app.build_lock))
    repository.git("switch", "-q", "main")
    repository.commit("Second", {"app.py": plain_files("two")["app.py"]})
    with (node.folder / "said").open("w+") as said:
        push = subprocess.Popen(
            ["git", "push", "toppcloud", "main"], env=node.environment, cwd=repository.path, stderr=said
        )
        wait_until(lambda: "is trying" in Path(said.name).read_text())
        assert list_state(node, repository)["routes"] == before["routes"]
        cancelled = repository.toppcloud("builds:cancel")
        assert "(trying " in cancelled.out, cancelled.all
        assert trying.wait(60) != 0
        assert push.wait(60) == 0, Path(said.name).read_text()
    assert node.request(repository.app).text.startswith("two")
    wait_until(lambda: not app.dry_runs())


@pytest.mark.parametrize("victim", ["the pusher", "the session", "the guard"])
def test_killed_in_the_middle_it_leaves_no_process_and_no_folder(node: LiveNode, live_app: Make, victim: str) -> None:
    repository = live_app()
    before = list_state(node, repository)
    repository.commit("Slow", {"app.py": SLEEPING, "Procfile": "web: (trap '' TERM; sleep 600) & python app.py\n"})
    push = start_dry_run(repository)
    wait_until(lambda: len(of_trial(repository)) >= 3)
    leader = of_trial(repository)[0]
    guard = find_guard(leader)
    if victim == "the pusher":
        os.killpg(push.pid, signal.SIGKILL)
    else:
        os.kill(guard if victim == "the guard" else parent_of(guard), signal.SIGKILL)
    push.wait(30)
    if victim != "the guard":  # where apps have another account, none but root ends it so
        wait_until(lambda: not of_trial(repository))
    for pid in of_trial(repository):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: list_state(node, repository) == before)


def find_guard(pid: int) -> int:
    while b"trial_guard.py" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        pid = parent_of(pid)
    return pid


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_nobody_waits_for_a_dry_run_that_starts(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.commit("Slow", {"app.py": SLEEPING})
    push = start_dry_run(repository)
    try:
        wait_until(lambda: of_trial(repository))
        repository.commit("Third", {"app.py": plain_files("three")["app.py"]})
        said = repository.push()
        assert said.status == 0, said.all
        assert of_trial(repository)
        assert dry_run(repository, "other").status == 0
    finally:
        os.killpg(push.pid, signal.SIGKILL)
        push.wait(30)
    wait_until(lambda: not of_trial(repository))
