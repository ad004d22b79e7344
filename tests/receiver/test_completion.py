"""What the shell offers."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from receiver.completion import list_candidates, print_script
from toppcloud.errors import ToppcloudError

NODE = {
    "apps": [{"name": "blog"}, {"name": "shop"}],
    "releases": [{"version": 18}, {"version": 17}],
    "config": ["SECRET", "STRIPE_KEY"],
    "ps": [{"process": "web.1"}, {"process": "web.2"}, {"process": "worker"}],
    "services": [{"name": "postgres"}],
    "buildpacks": ["nodejs", "python"],
    "domains": [{"host": "blog.localhost", "own": True}, {"host": "example.com", "own": False}],
    "keys": [{"name": "ana"}],
}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["config:s"], ["config:set"]),
        (["no"], ["node"]),
        (["node", "st"], ["start", "status", "stop"]),
        (["rollback", ""], ["v17", "v18"]),
        (["releases:output", "v18"], ["v18"]),
        (["config:get", "S"], ["SECRET", "STRIPE_KEY"]),
        (["config:set", "ST"], ["STRIPE_KEY="]),
        (["ps:scale", ""], ["web=", "worker="]),
        (["ps:idle", ""], ["15m", "2h", "30m", "default", "never"]),
        (["logs", "--process", ""], ["web", "worker"]),
        (["logs", "--release", ""], ["v17", "v18"]),
        (["logs", "-a", ""], ["blog", "shop"]),
        (["apps:info", "s"], ["shop"]),
        (["services:remove", ""], ["postgres"]),
        (["domains:remove", ""], ["example.com"]),
        (["buildpacks:add", "no"], ["nodejs"]),
        (["buildpacks:remove", ""], ["nodejs", "python"]),
        (["keys:remove", ""], ["ana"]),
        (["help", "builds"], ["builds:cancel", "builds:verify"]),
        (["rollback", "--no"], ["--no-check"]),
        (["frobnicate", ""], []),
        (["completion", ""], ["bash", "fish", "zsh"]),
    ],
)
def test_words_are_offered(words, offered):
    assert list_candidates(words, NODE.get) == offered


def test_silent_node_offers_nothing_and_does_no_harm():
    for words in (["rollback", ""], ["config:set", ""], ["logs", "-a", ""], ["logs", "-p", ""]):
        assert list_candidates(words, lambda noun: None) == []


def test_script_is_there_for_three_shells(capsys):
    for shell in ("bash", "zsh", "fish"):
        print_script(shell=shell)
        assert "toppcloud __complete" in capsys.readouterr().out
    with pytest.raises(ToppcloudError) as refused:
        print_script(shell="bsh")
    assert "Did you mean 'bash'?" in refused.value.what


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("toppcloud conf", "config config:set "),
        ("toppcloud config:s", "set "),
        ("toppcloud config:set SEC", "SECRET= "),
    ],
)
def test_bash_gets_what_stands_after_its_word_breaks(capsys, line, replies):
    print_script(shell="bash")
    fake = """
    toppcloud() {
        case "${@: -1}" in config:s) echo config:set;; conf) echo config; echo config:set;; *) echo SECRET=;; esac
    }
    compopt() { :; }
    COMP_WORDBREAKS=$' \\t\\n"><=;|&(:'
    """
    call = f"COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _toppcloud; printf '%s ' \"${{COMPREPLY[@]}}\""
    script = f"{capsys.readouterr().out}\n{fake}\n{call}"
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == replies
