"""The laptop command, in a repository, against a real front door."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.node, pytest.mark.git]

TOPPCLOUD = Path(sys.executable).with_name("toppcloud")


class Laptop:
    """A repository whose own ssh command knows key and host, as a person's would."""

    def __init__(self, folder, front_door):
        self.folder = folder
        self.door = front_door
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TOPPCLOUD_ROOT": str(folder / "no node"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        subprocess.run(["git", "init", "-q", str(folder / "repo")], check=True, env=self.environment)
        words = self.door.ssh()
        command = " ".join([*words[: words.index("-p")], *words[words.index("-l") + 2 : -1]])
        self.git("config", "core.sshCommand", command)

    def git(self, *words):
        subprocess.run(["git", *words], cwd=self.folder / "repo", env=self.environment, check=True)

    def run(self, *words, stdin=b"", cwd=None, **environment):
        return subprocess.run(
            [str(TOPPCLOUD), *words],
            cwd=cwd or self.folder / "repo",
            input=stdin,
            capture_output=True,
            env={**self.environment, **environment},
            timeout=30,
        )


@pytest.fixture
def laptop(tmp_path, front_door):
    laptop = Laptop(tmp_path, front_door)
    added = laptop.run("git:remote", "blog", "--host", "127.0.0.1", "--port", str(front_door.port))
    assert added.returncode == 0, added.stderr
    return laptop


def test_remote_is_added_corrected_and_printed(laptop, front_door):
    done = laptop.run("git:remote", "shop", "--host", "127.0.0.1", "--port", str(front_door.port))
    assert done.stdout.decode() == f"toppcloud  ssh://toppcloud@127.0.0.1:{front_door.port}/shop\n"
    other = laptop.run("git:remote", "blog", "--host", "::1", "--remote", "staging")
    assert other.stdout.decode() == "staging  ssh://toppcloud@[::1]:2222/blog\n"
    assert laptop.run("git:remote", "not an app").returncode == 1
    outside = laptop.run("git:remote", "blog", cwd=laptop.folder)
    assert b"is not a git repository" in outside.stderr


def test_remote_of_the_node_on_this_machine_needs_no_host(laptop, front_door):
    root = str(front_door.layout.root)
    done = laptop.run("git:remote", "blog", TOPPCLOUD_ROOT=root)
    assert done.stdout.decode() == f"toppcloud  ssh://toppcloud@127.0.0.1:{front_door.port}/blog\n"


def test_command_reaches_the_node_of_the_remote(laptop):
    assert [person["name"] for person in json.loads(laptop.run("keys", "--json").stdout)] == ["ana"]


WORDS = ["two  words", "it's", 'say "hi"', "line\nline", "", "$HOME `id` * ~ #", "a\\b", "ü", "-n", "--"]


def test_words_arrive_exactly(laptop):
    """`run` passes its words on as they are; the mirror stands in for the app."""
    argv_of_ssh = laptop.run("run", "--", *WORDS, GIT_SSH_COMMAND="printf '%s\\0'").stdout.split(b"\0")
    line = argv_of_ssh[-2].decode()
    assert line.startswith("run -a blog -- ")
    mirrored = laptop.door.run(f"probe:words -- {line.removeprefix('run -a blog -- ')}")
    assert json.loads(mirrored.stdout) == WORDS


def test_app_of_the_remote_is_meant_unless_another_is_named(laptop):
    assert b"There is no app 'blog'." in laptop.run("releases").stderr
    assert b"There is no app 'shop'." in laptop.run("releases", "-a", "shop").stderr
    assert b"There is no app 'shop'." in laptop.run("run", "-a", "shop", "--", "ls", "-a", "x").stderr
    assert b"There is no app 'blog'." in laptop.run("run", "ls", "-a", "x").stderr


def test_another_remote_is_taken_by_option_or_variable(laptop, front_door):
    laptop.git("remote", "rename", "toppcloud", "staging")
    assert laptop.run("keys", "--remote", "staging").returncode == 0
    assert laptop.run("keys", "--remote=staging").returncode == 0
    assert laptop.run("keys", TOPPCLOUD_REMOTE="staging").returncode == 0
    missing = laptop.run("keys", "-r", "production")
    assert missing.returncode == 1
    assert b"There is no git remote 'production' here." in missing.stderr


def test_without_a_remote_the_local_node_is_meant(laptop, front_door):
    laptop.git("remote", "remove", "toppcloud")
    here = laptop.run("keys", TOPPCLOUD_ROOT=str(front_door.layout.root))
    assert here.returncode == 0
    nowhere = laptop.run("keys")
    assert nowhere.returncode == 1
    assert b"git:remote" in nowhere.stderr


def test_git_ssh_command_counts_before_the_repositorys(laptop):
    done = laptop.run("keys", GIT_SSH_COMMAND="echo 'run instead:'")
    assert done.stdout.startswith(b"run instead: -T -p ")


def test_exit_status_and_errors_pass_through(laptop):
    assert laptop.run("confg").stderr == b"There is no command 'confg'. Did you mean 'config'?\n"
    assert laptop.run("confg").returncode == 2
    assert laptop.run("config:set").returncode == 2
    assert laptop.run("keys:remove", "nobody").returncode == 1


def test_unreachable_node_is_255(laptop):
    laptop.run("git:remote", "blog", "--host", "127.0.0.1", "--port", "1")
    done = laptop.run("keys")
    assert done.returncode == 255
    assert b"Nothing answers at 127.0.0.1:1." in done.stderr
    laptop.git("remote", "set-url", "toppcloud", "ssh://toppcloud@127.0.0.2:1/blog")
    assert laptop.run("keys").returncode == 255


def test_key_is_sent_from_a_file_or_stdin_and_a_private_one_never(laptop, front_door):
    try:
        refused = laptop.run("keys:add", "bo", str(front_door.key("bo")))
        assert (refused.returncode, b"is a private key" in refused.stderr) == (1, True)
        assert laptop.run("keys:add", "bo", f"{front_door.key('bo')}.pub").returncode == 0
        assert front_door.run("ping", key="bo").returncode == 0
        again = laptop.run("keys:add", "bo", stdin=front_door.public_key("bo").encode())
        assert again.stdout == b"bo has that key already.\n"
        assert laptop.run("keys:add", "bo", "/no/such/file").returncode == 1
    finally:
        front_door.put_out("bo")


def test_help_and_version_need_no_node(laptop):
    for words in (
        ["help"],
        [],
        ["--help"],
        ["help", "config:set"],
        ["config:set", "--help"],
        ["node", "start", "--help"],
    ):
        done = laptop.run(*words, cwd="/")
        assert (done.returncode, done.stdout[:17]) == (0, b"Usage: toppcloud ")
    assert laptop.run("version", cwd="/").stdout.startswith(b"toppcloud ")
    assert laptop.run("help", "confg", cwd="/").returncode == 2


def test_completion_asks_the_node_and_keeps_the_answer_briefly(laptop, front_door):
    assert laptop.run("__complete", "keys:remove", "").stdout == b"ana\n"
    assert laptop.run("__complete", "config:ge").stdout == b"config:get\n"
    cached = list((laptop.folder / ".cache" / "toppcloud").iterdir())
    assert [path.stat().st_mode & 0o777 for path in cached] == [0o600]
    laptop.git("remote", "set-url", "toppcloud", "ssh://toppcloud@127.0.0.1:1/blog")
    silent = laptop.run("__complete", "keys:remove", "")
    assert (silent.stdout, silent.stderr) == (b"", b"")


def test_clone_of_nothing_is_refused_with_its_reason(laptop, front_door):
    url = f"ssh://toppcloud@127.0.0.1:{front_door.port}/blog"
    done = subprocess.run(
        ["git", "ls-remote", url], cwd=laptop.folder / "repo", env=laptop.environment, capture_output=True, timeout=30
    )
    assert done.returncode != 0
    assert b"There is no app 'blog' to fetch from." in done.stderr
