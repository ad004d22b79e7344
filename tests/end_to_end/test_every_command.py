"""Every command of the table works over plain ssh and from the laptop command, on a real node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository, Said
from deploy.ssh_keys import make_user_key
from receiver.command import Where
from receiver.table import COMMANDS
from tests.plain_app import plain_files

pytestmark = pytest.mark.node

# In an order in which each one finds what it needs. `{n}` is 1 over ssh and 2 from the laptop.
STEPS: dict[str, tuple[list[str], str]] = {
    "apps": (["apps", "--json"], '"name"'),
    "apps:create": (["apps:create", "spare-number-{n}"], "spare-number-{n}"),
    "apps:rename": (["apps:rename", "renamed-{n}{n}{n}", "-a", "spare-number-{n}"], "renamed-"),
    "apps:destroy": (["apps:destroy", "-a", "renamed-{n}{n}{n}", "--confirm", "renamed-{n}{n}{n}"], "gone"),
    "apps:info": (["apps:info"], "web=1"),
    "config:set": (["config:set", "SECRET=x y{n}", "B=1"], "live in"),
    "config": (["config", "--show"], "SECRET=x y{n}"),
    "config:get": (["config:get", "SECRET"], "x y{n}\n"),
    "config:unset": (["config:unset", "B"], "B unset"),
    "config:import": (["config:import"], "IMPORTED{n} set"),
    "services:add": (["services:add", "postgres"], "DATABASE_URL"),
    "services": (["services", "--json"], '"postgres"'),
    "services:info": (["services:info", "postgres", "--show"], "PGPASSWORD="),
    "config:link": (["config:link", "DB_HOST{n}=PG_DBHOST"], "DB_HOST{n}"),
    "pg:psql": (["pg:psql", "-c", "select 6*7 as answer"], "42"),
    "services:remove": (["services:remove", "postgres", "--confirm", "every-command"], ""),
    "releases": (["releases", "--json"], '"superseded"'),
    "releases:info": (["releases:info", "--json"], '"live"'),
    "releases:output": (["releases:output"], "answered / with 200"),
    "releases:diff": (["releases:diff"], " -> v"),
    "builds:verify": (["builds:verify"], "is the same: "),
    "rollback": (["rollback"], "code and config of v"),
    "ps": (["ps"], "web.1"),
    "ps:scale": (["ps:scale", "web=1"], "web=1"),
    "ps:restart": (["ps:restart"], "restarted"),
    "ps:stop": (["ps:stop"], "stopped"),
    "ps:start": (["ps:start"], "started"),
    "ps:idle": (["ps:idle", "{n}h"], "sleeps after {n} h without a visit"),
    "ps:sleep": (["ps:sleep"], "sleeps"),
    "buildpacks:set": (["buildpacks:set", "python"], "1  python"),
    "buildpacks:add": (["buildpacks:add", "heroku/nodejs", "--index", "1"], "2  python  names the process types"),
    "buildpacks": (["buildpacks"], "1  nodejs"),
    "buildpacks:remove": (["buildpacks:remove", "--index", "1"], "1  python"),
    "buildpacks:clear": (["buildpacks:clear"], "None is set"),
    "ps:rebuild": (["ps:rebuild"], "live"),
    "logs": (["logs", "-n", "5", "--process", "web"], " web.1 "),
    "run": (["run", "--", "echo", "two  words"], "two  words\n"),
    "files": (["files", "--json"], "["),
    "files:keep": (["files:keep", "media{n}"], "media{n}"),
    "domains": (["domains"], "every-command.localhost"),
    "domains:add": (["domains:add", "www{n}.example.com"], "www{n}.example.com"),
    "domains:remove": (["domains:remove", "www{n}.example.com"], "www{n}.example.com"),
    "open": (["open"], "http://every-command.localhost:"),
    "keys": (["keys"], "SHA256:"),
    "keys:add": (["keys:add", "bo{n}"], "bo{n}"),
    "keys:remove": (["keys:remove", "bo{n}"], "bo{n}"),
    "help": (["help", "config:set"], "Usage"),
    "version": (["version"], "0."),
    "ping": (["ping"], ""),
}
ELSEWHERE = {
    "builds:cancel": "tests/end_to_end/test_crash.py",
    "node start": "tests/deploy/test_host.py",
    "node stop": "tests/deploy/test_host.py",
    "node status": "tests/deploy/test_host.py",
    "node doctor": "tests/deploy",
    "git:remote": "tests/receiver",
    "completion": "tests/receiver",
}


@pytest.fixture(scope="module")
def app(node: LiveNode) -> Iterator[Repository]:
    repository = node.repository("every-command", plain_files())
    said = repository.push()
    assert said.status == 0, said.all
    yield repository


def test_no_command_of_the_table_is_left_out() -> None:
    assert set(STEPS) | set(ELSEWHERE) == set(COMMANDS)
    for name, place in ELSEWHERE.items():
        path = Path(__file__).parents[2] / place
        texts = [path.read_text()] if path.is_file() else [file.read_text() for file in path.rglob("test_*.py")]
        words = name.split()
        assert any(all(word in text for word in words) for text in texts), name


@pytest.mark.parametrize("way", ["ssh", "laptop"])
def test_every_command(node: LiveNode, app: Repository, way: str) -> None:
    number = "1" if way == "ssh" else "2"
    make_user_key(node.folder / f"bo{number}", "bo@example.com")
    stdin = {
        "config:import": f"IMPORTED{number}='a b'\n",
        "keys:add": (node.folder / f"bo{number}.pub").read_text(),
    }
    failed = []
    for name, (words, expected) in STEPS.items():
        if way == "ssh" and COMMANDS[name].where is Where.LAPTOP:
            continue
        said = run(node, app, way, [word.replace("{n}", number) for word in words], stdin.get(name))
        if said.status != 0 or expected.replace("{n}", number) not in said.out:
            failed.append((name, said))
    assert not failed


def run(node: LiveNode, app: Repository, way: str, words: list[str], stdin: str | None) -> Said:
    """Over ssh the app is named; on the laptop the git remote names it."""
    if way == "laptop":
        return app.toppcloud(*words, stdin=stdin)
    wants_app = COMMANDS[words[0]].app and "-a" not in words
    return node.ssh(words[0], *(["-a", app.app] if wants_app else []), *words[1:], stdin=stdin)


def test_each_way_offers_the_nearest_command(node: LiveNode, app: Repository) -> None:
    ways: list[Callable[[str], Said]] = [app.toppcloud, node.ssh]
    for way in ways:
        said = way("confg")
        assert said.status == 2
        assert "Did you mean 'config'?" in said.err
