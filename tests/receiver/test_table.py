"""The table of commands: every one has help, an example that parses and a place in the docs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from receiver.command import Where
from receiver.help_text import options_of, render_help, render_overview, render_page, render_topic
from receiver.session import render_table
from receiver.table import COMMANDS, GROUPS, find_command
from receiver.usage import parse_arguments
from receiver.words import split_words
from toppcloud.errors import ToppcloudError

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
WANTED = """
apps, apps:create, apps:info, apps:rename, apps:destroy,
config, config:get, config:set, config:unset, config:import, config:link,
buildpacks, buildpacks:set, buildpacks:add, buildpacks:remove, buildpacks:clear,
releases, releases:info, releases:output, rollback, builds:cancel,
ps, ps:scale, ps:restart, ps:rebuild, ps:stop, ps:start, ps:idle, ps:sleep, logs, run,
services, services:add, services:remove, services:info, pg:psql, files:keep, files,
domains, domains:add, domains:remove, keys, keys:add, keys:remove, open, help, version,
git:remote, completion, node start, node stop, node status, node doctor"""
COMMAND_PARAMETERS = [pytest.param(command, id=name) for name, command in COMMANDS.items()]


def test_every_command_that_was_promised_is_there():
    assert {name.strip() for name in WANTED.split(",")} <= set(COMMANDS)
    assert len(COMMANDS) == sum(len(group) for group in GROUPS.values())


@pytest.mark.parametrize("command", COMMAND_PARAMETERS)
def test_command_has_a_line_help_and_an_example_that_parses(command):
    assert command.summary
    assert not command.summary.endswith(".")
    example = re.split(r" [<>] ", command.example)[0]
    found, rest = find_command(split_words(example))
    assert found is command
    parse_arguments(command, rest)
    assert f"Example: toppcloud {command.example}" in render_help(command)
    assert command.summary in render_overview()


@pytest.mark.parametrize("command", COMMAND_PARAMETERS)
def test_command_is_on_the_page(command):
    text = PAGE.read_text()
    assert f"### `{command.name}`" in text
    assert f"$ toppcloud {command.example}\n" in text


def test_page_is_what_the_table_says():
    assert PAGE.read_text() == render_page(), "run: python -m receiver.help_text > docs/commands.md"


@pytest.mark.parametrize("command", COMMAND_PARAMETERS)
def test_handler_is_there_and_takes_what_is_parsed(command):
    module, _, function = command.handler.partition(":")
    handler = getattr(import_module(module), function)
    given = {argument.name for argument in command.arguments} | {option.name for option in options_of(command)}
    given -= {"app_word"}
    session = () if command.where is Where.LAPTOP else (None,)
    inspect.signature(handler).bind(*session, **dict.fromkeys(given))


def test_lists_have_json():
    for name in ("apps", "config", "releases", "ps", "services", "files", "domains", "keys"):
        assert "as_json" in {option.name for option in COMMANDS[name].options}


def test_help_fits_100_columns():
    texts = [render_overview(), *(render_help(command) for command in COMMANDS.values())]
    assert max(len(line) for text in texts for line in text.splitlines()) <= 100


def test_help_of_a_noun_lists_its_commands():
    assert "node doctor" in render_topic(("node",))
    assert "Example:" in render_topic(("config:set",))
    assert "Example:" in render_topic(("node", "start"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["confg"], "There is no command 'confg'. Did you mean 'config'?"),
        (["config:sett", "A=1"], "Did you mean 'config:set'?"),
        (["node", "strat"], "There is no command 'node strat'. Did you mean 'node start'?"),
        (["nod", "start"], "Did you mean 'node'?"),
        (["node"], "There is no command 'node'."),
        (["frobnicate"], "There is no command 'frobnicate'."),
        ([""], "There is no command ''."),
    ],
)
def test_mistyped_command_is_wrong_usage_with_the_nearest(words, said):
    with pytest.raises(ToppcloudError) as refused:
        find_command(words)
    assert refused.value.status == 2
    assert said in refused.value.what


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("config:set", "Missing argument 'KEY=VALUE'."),
        ("config:set --stag A=1", "'--stag'. Did you mean '--stage'?"),
        ("config --jso", "'--jso'. Did you mean '--json'?"),
        ("apps extra", "extra"),
        ("releases -n many", "many"),
        ("apps:create", "NAME"),
        ("logs -n", "-n"),
    ],
)
def test_words_that_do_not_fit_are_wrong_usage_with_an_example(line, said):
    command, rest = find_command(line.split())
    with pytest.raises(ToppcloudError) as refused:
        parse_arguments(command, rest)
    assert refused.value.status == 2
    assert said in refused.value.what
    assert "Example: toppcloud" in refused.value.cure


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("run ls -a -- x", {"command": ("ls", "-a", "--", "x"), "app": None}),
        ("run -a blog -- ls -a", {"command": ("ls", "-a"), "app": "blog"}),
        ("run -a here -a there ls", {"command": ("ls",), "app": "there"}),
        ("apps:info blog", {"app": "blog", "as_json": False}),
        ("apps:info -a here there", {"app": "there", "as_json": False}),
        ("logs --tail -n 5 -a blog", {"app": "blog", "number": 5, "tail": True, "process": None, "version": None}),
        ("config:get -a=b KEY", {"app": "=b", "key": "KEY"}),
    ],
)
def test_words_become_the_handlers_arguments(line, arguments):
    command, rest = find_command(line.split())
    assert parse_arguments(command, rest) == arguments


def test_empty_words_and_newlines_stay():
    command, _ = find_command(["config:set"])
    assert parse_arguments(command, ["A=", "B=1\n2", ""])["assignments"] == ("A=", "B=1\n2", "")


def test_table_of_rows_is_aligned_and_cut():
    assert render_table([("v19", "live"), ("v8", "")]) == ["v19  live", "v8"]
    assert render_table([("x" * 200,)])[0] == "x" * 99 + "…"
    assert render_table([]) == []


def test_laptop_needs_click_alone():
    """What the laptop command imports on its way to ssh, and for help and completion."""
    code = """
import sys
before = set(sys.modules)
import receiver.command_line, receiver.usage, receiver.help_text, receiver.completion, receiver.ssh_command
import receiver.commands.git_remote
tops = {name.partition('.')[0] for name in set(sys.modules) - before}
print(sorted(tops - set(sys.stdlib_module_names) - {'receiver', 'toppcloud', 'click'}))
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_table_is_read_without_click():
    code = "import sys, receiver.command_line, receiver.ssh_command, receiver.git_config; print('click' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
