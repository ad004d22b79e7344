"""Who comes in, and what is not there for anybody."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.node


def test_person_whose_key_lies_in_people_comes_in(front_door):
    done = front_door.run("keys", "--json")
    assert done.returncode == 0
    assert [person["name"] for person in json.loads(done.stdout) if person["you"]] == ["ana"]


def test_login_without_a_command_says_hello_and_gives_no_shell(front_door):
    done = front_door.run(stdin=b"id\n")
    assert done.returncode == 0
    assert done.stdout.startswith(b"Hello ana. This node serves no app yet.")
    assert b"uid=" not in done.stdout


def test_login_without_a_command_in_a_terminal_says_hello_too(front_door):
    terminal = front_door.open_terminal()
    assert terminal.wait() == 0
    assert b"Hello ana." in terminal.seen


def test_key_that_nobody_has_is_refused(front_door):
    done = front_door.run("ping", key="bo")
    assert done.returncode == 255
    assert b"Permission denied (publickey)" in done.stderr


@pytest.mark.parametrize("user", ["root", "ana", "git"])
def test_other_user_names_are_refused(front_door, user):
    assert front_door.run("ping", user=user).returncode == 255


@pytest.mark.parametrize("method", ["password", "keyboard-interactive", "hostbased", "none"])
def test_only_public_keys_are_offered(front_door, method):
    options = ("-o", "PubkeyAuthentication=no", "-o", f"PreferredAuthentications={method}", "-o", "BatchMode=no")
    done = front_door.run("ping", options=options)
    assert done.returncode == 255
    assert b"Permission denied (publickey)." in done.stderr


def test_new_key_and_removed_key_count_at_once(front_door):
    try:
        added = front_door.run("keys:add", "bo", stdin=front_door.public_key("bo").encode())
        assert (added.returncode, b"bo may push from now on" in added.stdout) == (0, True)
        assert front_door.run("ping", key="bo").stdout == b"pong\n"
        assert front_door.run("keys:remove", "bo").returncode == 0
        assert front_door.run("ping", key="bo").returncode == 255
    finally:
        front_door.put_out("bo")


def test_removed_key_opens_no_session_on_a_connection_that_is_there(front_door):
    front_door.let_in("bo")
    control = ("-o", f"ControlPath={front_door.folder / 'control'}")
    master = front_door.open(key="bo", options=("-M", "-N", *control))
    try:
        while front_door.run("ping", key="bo", options=(*control, "-o", "ControlMaster=no")).stdout != b"pong\n":
            pass
        front_door.put_out("bo")
        # a client whose shared connection refuses makes one of its own, and is refused there too
        done = front_door.run("keys", key="bo", options=control)
        assert done.returncode == 255
    finally:
        front_door.put_out("bo")
        master.terminate()
        master.communicate()


def test_last_key_stays(front_door):
    done = front_door.run("keys:remove", "ana")
    assert done.returncode == 1
    assert b"ana's is the last key." in done.stderr
    assert front_door.run("ping").returncode == 0


def test_sftp_is_not_there(front_door):
    done = front_door.run("sftp", options=("-s",))
    assert done.returncode == 255
    assert b"subsystem request failed" in done.stderr


def test_scp_is_a_command_like_any_unknown_one(front_door):
    done = front_door.run("scp", "-t", "/tmp")
    assert done.returncode == 2
    assert b"There is no command 'scp'." in done.stderr


def test_ports_are_not_forwarded(front_door):
    done = front_door.run(options=("-W", f"127.0.0.1:{front_door.port}"))
    assert done.returncode == 255
    assert b"forwarding failed" in done.stderr
    assert done.stdout == b""
    remote = front_door.run("ping", options=("-R", "127.0.0.1:0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes"))
    assert remote.returncode == 255


def test_sockets_are_not_forwarded(front_door):
    here = front_door.folder / "forwarded.sock"
    options = ("-R", f"{here}:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes")
    assert front_door.run("ping", options=options).returncode == 255
    assert not here.exists()


def test_agent_is_not_forwarded(front_door):
    done = front_door.run("probe:tell", options=("-A",))
    assert json.loads(done.stdout)["environment"] == {}


def test_only_the_git_protocol_is_taken_from_the_environment(front_door):
    options = ("-o", "SetEnv=GIT_PROTOCOL=version=2 LD_PRELOAD=/tmp/x PATH=/tmp")
    done = front_door.run("probe:tell", options=options)
    assert json.loads(done.stdout)["environment"] == {"GIT_PROTOCOL": "version=2"}


def test_secrets_in_commands_are_not_logged(front_door):
    front_door.run("config:set", "SECRET=hunter2", "-a", "nothing")
    assert "hunter2" not in front_door.log("door") + front_door.log("sessions")


def test_what_is_no_public_key_is_refused(front_door):
    for text, said in (
        (b"", b"There is no public key."),
        (b"nonsense", b"That is not a public key."),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nx", b"That is a private key."),
        (front_door.public_key("ana").encode(), b"That key is ana's already."),
    ):
        done = front_door.run("keys:add", "eve", stdin=text)
        assert done.returncode == 1
        assert said in done.stderr
    assert not (front_door.layout.people / "eve").exists()
