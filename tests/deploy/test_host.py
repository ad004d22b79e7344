"""Starting and stopping a node, again and again, after whatever happened."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deploy.doctor import examine_node
from deploy.finding import FAIL
from deploy.first_person import Starter, admit_first_person, choose_name
from deploy.node_root import check_root, make_root
from deploy.ports import find_port_holders
from deploy.process_record import read_processes
from deploy.ssh_keys import make_user_key
from toppcloud.account import Account, this_account
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout

TOPPCLOUD = str(Path(sys.executable).with_name("toppcloud"))


def processes_of(tiny) -> list[int]:
    """All processes that have the node's folder as current directory or among their words."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes()
            folder = os.readlink(path / "cwd")
        except OSError:
            continue
        if int(path.name) != os.getpid() and (str(tiny.root).encode() in words or folder.startswith(str(tiny.root))):
            found.append(int(path.name))
    return found


def failures(tiny) -> list[str]:
    return [finding.what for finding in examine_node(tiny.node) if finding.level == FAIL]


@pytest.mark.node
def test_node_starts_once_and_stops_once(stopped_node, until):
    tiny = stopped_node
    assert tiny.stop() is False
    assert tiny.start() is True
    assert tiny.start() is False
    assert tiny.get("nobody.localhost").status == 404
    with socket.create_connection(("127.0.0.1", tiny.ssh_port)) as connection:
        assert connection.recv(8) == b"SSH-2.0-"
    assert failures(tiny) == []
    assert tiny.stop() is True
    until(lambda: processes_of(tiny) == [])
    assert tiny.stop() is False
    assert failures(tiny) == ["the node does not run"]


@pytest.mark.node
def test_everything_killed_and_started_again(stopped_node):
    stopped_node.start()
    before = {record.pid for record in read_processes(stopped_node.layout.pids)}
    stopped_node.kill_all()
    assert stopped_node.start() is True
    assert failures(stopped_node) == []
    assert not before & {record.pid for record in read_processes(stopped_node.layout.pids)}


@pytest.mark.node
def test_left_overs_of_a_node_whose_sockets_are_lost_are_ended_first(stopped_node, make_app, until):
    stopped_node.start()
    app = make_app(stopped_node, "orphan")
    app.go_live(1)
    app.wait_until_up("v1.1")
    processes = {r.name: r for r in read_processes(stopped_node.layout.pids)}
    dead = [processes.pop(name) for name in ("doorman", "holder", "supervisord")]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for record in dead:
            os.kill(record.pid, number)
    left = processes.values()
    assert stopped_node.get(app.host).text == "v1.1"  # apps outlive those who look after them
    assert stopped_node.start() is True
    assert not any(record.is_alive for record in left)
    assert all("orphan: v1 is unwell" in what for what in failures(stopped_node))  # its slug cannot run


@pytest.mark.node
def test_two_starts_at_once_make_one_node(stopped_node):
    results = []
    starts = [threading.Thread(target=lambda: results.append(stopped_node.start())) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert sorted(results) == [False, True]


@pytest.mark.node
@pytest.mark.parametrize("which", ["ssh_port", "http_port"])
def test_busy_port_is_named_with_its_holder_and_nothing_is_left_running(stopped_node, which):
    with socket.create_server(("127.0.0.1", getattr(stopped_node, which))) as busy:
        with pytest.raises(ToppcloudError) as refusal:
            stopped_node.start()
        port = busy.getsockname()[1]
        assert str(port) in refusal.value.what
        assert f"process {os.getpid()}" in refusal.value.why
        assert [holder.pid for holder in find_port_holders(port)] == [os.getpid()]
    assert processes_of(stopped_node) == []
    assert stopped_node.start() is True


@pytest.mark.node
def test_daemon_that_does_not_come_up_stops_the_start(stopped_node):
    stopped_node.start()
    stopped_node.stop()
    stopped_node.layout.host_key.write_text("not a key")
    with pytest.raises(ToppcloudError, match="door does not come up") as refusal:
        stopped_node.start()
    assert refusal.value.output
    assert processes_of(stopped_node) == []


@pytest.mark.node
def test_root_of_200_characters_with_hostile_ones_works(long_node, make_app):
    assert len(str(long_node.root)) == 200
    long_node.start()
    assert failures(long_node) == []
    app = make_app(long_node, "app-with-the-longest-name-of-30")
    first = app.go_live(1)
    app.wait_until_up("v1.1")
    app.go_live(2)
    app.retire(first)
    app.wait_until_up("v2.1")
    long_node.supervisor.stop(f"{app.name}.web.1.v2.1")
    long_node.doorman.answer(app.name, 2, 1, status=503)
    assert long_node.get(app.host).status == 503


@pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to other accounts")
@pytest.mark.node
def test_root_that_the_account_cannot_enter_is_refused_with_the_line_to_type(stopped_node):
    closed = stopped_node.root.parent / "closed"
    closed.mkdir(mode=0o700)
    stopped_node.root = closed / "node"
    with pytest.raises(ToppcloudError) as refusal:
        stopped_node.start()
    assert f"chmod o+x {closed}" in refusal.value.cure
    assert list(closed.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to other accounts")
@pytest.mark.node
def test_what_serves_the_world_does_not_run_as_root(tiny_node, make_app):
    app = make_app(tiny_node, "unprivileged")
    app.go_live(1)
    app.wait_until_up("v1.1")
    for program in ("router", "unprivileged.web.1.v1.1"):
        assert Path(f"/proc/{tiny_node.pid(program)}").stat().st_uid != 0
    assert Path(f"/proc/{tiny_node.pid('router')}").stat().st_uid != tiny_node.node.account.uid


@pytest.mark.node
def test_first_person_has_the_keys_of_the_home_folder_or_a_new_one(stopped_node):
    ssh = stopped_node.home / ".ssh"
    stopped_node.start()
    made = (ssh / "id_ed25519.pub").read_text().split()[1]
    assert made in stopped_node.layout.person_key("ana").read_text()
    assert (ssh / "id_ed25519").stat().st_mode & 0o777 == 0o600
    stopped_node.stop()
    (ssh / "id_ed25519.pub").unlink()
    assert stopped_node.start() is True  # somebody may come in already: nothing is looked for


@pytest.mark.node
def test_key_that_a_second_start_names_may_come_in_at_once(stopped_node):
    stopped_node.start()
    other = stopped_node.home / "other"
    make_user_key(other)
    public = other.with_name("other.pub")
    assert stopped_node.start(public) is False
    assert public.read_text().split()[1] in stopped_node.layout.person_key("ana").read_text()


@pytest.mark.node
def test_private_key_without_its_public_half_is_never_written_over(stopped_node):
    ssh = stopped_node.home / ".ssh"
    ssh.mkdir()
    (ssh / "id_ed25519").write_text("mine")
    with pytest.raises(ToppcloudError, match="no SSH key") as refusal:
        stopped_node.start()
    assert "ssh-keygen -y" in refusal.value.cure
    assert (ssh / "id_ed25519").read_text() == "mine"


@pytest.mark.node
def test_crashing_daemon_is_what_doctor_finds(stopped_node):
    stopped_node.start()
    (stopped_node.layout.routes / "gone.example.com").symlink_to("../apps/gone")
    stopped_node.layout.node_toml.chmod(0o644)
    found = failures(stopped_node)
    assert any("gone.example.com" in what for what in found)
    assert any("node.toml" in what for what in found)


@pytest.mark.node
def test_the_command_tells_starts_stops_and_status(stopped_node):
    tiny = stopped_node
    environment = {"HOME": str(tiny.home), "PATH": "/usr/bin:/bin", "TOPPCLOUD_ROOT": str(tiny.root), "USER": "ana"}

    def toppcloud(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([TOPPCLOUD, "node", *words], env=environment, capture_output=True, text=True, timeout=60)

    assert toppcloud("status").returncode == 1
    started = toppcloud("start", "--ssh", f"127.0.0.1:{tiny.ssh_port}", "--http", f"127.0.0.1:{tiny.http_port}")
    assert started.returncode == 0, started.stderr
    assert "SHA256:" in started.stdout
    assert f"[127.0.0.1]:{tiny.ssh_port} ssh-ed25519 AAAA" in started.stdout
    again = toppcloud("start")
    assert again.returncode == 0
    assert "runs already" in again.stdout
    status = toppcloud("status", "--json")
    assert status.returncode == 0
    value = json.loads(status.stdout)
    assert value["running"] is True
    assert {"holder", "doorman", "router", "door", "sessions", "logger"} <= {p["name"] for p in value["programs"]}
    assert toppcloud("doctor").returncode == 0
    assert toppcloud("stop").returncode == 0
    assert toppcloud("stop").returncode == 0
    assert toppcloud("doctor", "--json").returncode == 1
    wrong = toppcloud("start", "--http", "nowhere")
    assert wrong.returncode == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has others run its apps")
def test_folders_made_above_the_root_are_open_to_apps_whatever_the_umask(tmp_path):
    account = this_account()
    before = os.umask(0o077)
    try:
        make_root(Layout(tmp_path / "a" / "b" / "node"), (account,))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/node")} == {
        0o755
    }
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(ToppcloudError, match="cannot reach"):
        make_root(Layout(tmp_path / "closed" / "c" / "node"), (Account("nobody", 65534, 65534),))
    assert list((tmp_path / "closed").iterdir()) == []


def test_root_with_a_line_break_is_refused():
    with pytest.raises(ToppcloudError, match="cannot be used"):
        check_root(Path("/srv/two\nlines"))


@pytest.mark.parametrize("below", ["", "node/deeper"])
def test_root_that_is_no_folder_is_refused(tmp_path, below):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ToppcloudError) as refusal:
        check_root(file / below)
    assert str(file) in refusal.value.why


def test_starter_without_a_key_and_without_a_home_is_told_what_to_name(tmp_path):
    (tmp_path / "home").touch()  # no folder can be made below it
    starter = Starter("ana", tmp_path / "home", None)
    with pytest.raises(ToppcloudError, match="none can be made") as refusal:
        admit_first_person(Layout(tmp_path / "node"), starter, Console(print))
    assert "--admin-key" in refusal.value.cure


def test_private_key_as_admin_key_is_refused(tmp_path):
    key = tmp_path / "key"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    with pytest.raises(ToppcloudError, match="is a private key"):
        admit_first_person(Layout(tmp_path / "node"), Starter("ana", tmp_path, key), Console(print))


@pytest.mark.parametrize(("login", "name"), [("ana", "ana"), ("Ana Maria", "admin"), ("", "admin")])
def test_login_name_becomes_the_persons(login, name):
    assert choose_name(login) == name
