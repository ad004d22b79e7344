"""How ssh is run: as git would."""

from __future__ import annotations

import socket

import pytest

from receiver.remote import Remote
from receiver.ssh_command import build_argv, check_local_node, choose_ssh
from receiver.words import split_words
from toppcloud.errors import ToppcloudError

LINE = "ssh -i ~/.ssh/'my key'"


@pytest.mark.parametrize(
    ("environ", "config", "argv"),
    [
        ({}, {}, ["ssh"]),
        ({"GIT_SSH": "/opt/my ssh"}, {}, ["/opt/my ssh"]),
        ({}, {"core.sshcommand": "myssh"}, ["myssh"]),
        ({"GIT_SSH_COMMAND": LINE}, {"core.sshcommand": "other"}, ["sh", "-c", f'{LINE} "$@"', LINE]),
        ({"GIT_SSH": "other"}, {"core.sshcommand": LINE}, ["sh", "-c", f'{LINE} "$@"', LINE]),
    ],
)
def test_ssh_is_chosen_as_git_chooses_it(environ, config, argv):
    assert choose_ssh(environ, config) == argv


def test_words_arrive_in_one_quoted_argument():
    words = ["config:set", "A=two words", "B=it's", "C=1\n2", ""]
    argv = build_argv(["ssh"], Remote("server", 2222, "blog"), words, terminal=False)
    assert argv[:-1] == ["ssh", "-T", "-p", "2222", "toppcloud@server"]
    assert split_words(argv[-1]) == words


def test_terminal_and_ssh_configured_port():
    assert build_argv(["ssh"], Remote("server", None, None), ["run"], terminal=True) == [
        "ssh",
        "-t",
        "toppcloud@server",
        "run",
    ]


def test_bytes_that_are_no_text_are_wrong_usage():
    with pytest.raises(ToppcloudError) as refused:
        build_argv(["ssh"], Remote("server", None, None), ["run", "\udcff"], terminal=False)
    assert refused.value.status == 2


def test_local_node_that_does_not_run_is_said_before_ssh_is_started():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ToppcloudError) as refused:
        check_local_node(Remote("127.0.0.1", port, None))
    assert refused.value.status == 255
    assert "node start" in refused.value.cure
    check_local_node(Remote("far.example.com", port, None))
