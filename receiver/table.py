"""THE table of commands: the same over SSH and on the laptop, with Heroku's names and flags. Values only.

`python -m receiver.help_text > docs/commands.md` writes the page that documents it.
"""

from __future__ import annotations

from collections.abc import Sequence

from receiver.command import Argument, Command, Option, Where
from toppcloud.errors import WRONG_USAGE, ToppcloudError, suggest_nearest

APP = Option(("-a", "--app"), "app", "the app; on the laptop read from the git remote", "APP")
JSON = Option(("--json",), "as_json", "print JSON")
STAGE = Option(("--stage",), "stage", "keep it for the next release instead of making one now")
NO_CHECK = Option(("--no-check",), "no_check", "go live without looking at memory or asking for an answer")
LEAVE_FILES = Option(("--leave-files",), "leave_files", "go on although written files stay behind in the old release")
RELEASE_COMMAND = Option(("--release-command",), "release_command", "run the app's release command too")
CONFIRM = Option(("--confirm",), "confirm", "the app's name, to show that it is meant", "NAME")
DISCARD_DATA = Option(("--discard-data",), "discard_data", "keep no dump of its data")
ROOT = Option(("--root",), "root", "the node's folder", "DIR")
APP_WORD = Argument("app_word", "APP", required=False)  # another way to say -a
VERSION = Argument("version", "vN", required=False)
_CHANGE = (NO_CHECK, LEAVE_FILES)

APPS = (
    Command(
        "apps",
        "List the node's apps",
        "apps --json",
        "receiver.commands.apps:list_apps",
        "JSON: an array of {name, url, release}; `release` is the live one's number, or null.",
        options=(JSON,),
    ),
    Command(
        "apps:create",
        "Make an app, before its first push",
        "apps:create blog",
        "receiver.commands.apps:create",
        "A first push makes its app too; this is for config that must be there before it, or for a name that is close "
        "to another app's.",
        arguments=(Argument("name", "NAME"),),
        changes=True,
    ),
    Command(
        "apps:info",
        "Show what an app is made of",
        "apps:info -a blog",
        "receiver.commands.apps:info",
        "JSON: {name, url, release, domains, repository, processes, services, python, size_bytes}.",
        arguments=(APP_WORD,),
        options=(JSON,),
        app=True,
    ),
    Command(
        "apps:rename",
        "Give an app another name",
        "apps:rename journal -a blog",
        "receiver.commands.apps:rename",
        "Its host name changes with it; domains, config, data and releases stay.",
        arguments=(Argument("new_name", "NEW_NAME"),),
        app=True,
        changes=True,
    ),
    Command(
        "apps:destroy",
        "Remove an app, its releases and its data",
        "apps:destroy -a blog --confirm blog",
        "receiver.commands.apps:destroy",
        "Its routes go first. A dump of its data is kept on the node unless --discard-data.",
        arguments=(APP_WORD,),
        options=(CONFIRM, DISCARD_DATA),
        app=True,
        changes=True,
    ),
)

CONFIG = (
    Command(
        "config",
        "List config vars, values hidden",
        "config --show",
        "receiver.commands.config:show",
        "JSON: {KEY: value}, values shown.",
        options=(Option(("--show",), "show", "show the values"), JSON),
        app=True,
    ),
    Command(
        "config:get",
        "Print the value of one config var and nothing else",
        "config:get SECRET",
        "receiver.commands.config:get",
        "Prints nothing and exits 1 when it is not set.",
        arguments=(Argument("key", "KEY"),),
        app=True,
    ),
    Command(
        "config:set",
        "Set config vars; all of them make one release",
        "config:set SECRET=x GREETING='Hello world'",
        "receiver.commands.config:set_vars",
        "Setting what is already set makes no release. A refused change leaves no trace.",
        arguments=(Argument("assignments", "KEY=VALUE", many=True),),
        options=(STAGE, *_CHANGE),
        app=True,
        changes=True,
    ),
    Command(
        "config:unset",
        "Remove config vars; all of them make one release",
        "config:unset SECRET",
        "receiver.commands.config:unset_vars",
        arguments=(Argument("keys", "KEY", many=True),),
        options=(STAGE, *_CHANGE),
        app=True,
        changes=True,
    ),
    Command(
        "config:import",
        "Set config vars from a dotenv file on stdin",
        "config:import < production.env",
        "receiver.commands.config:import_vars",
        "This is how secrets stay out of the command line, where other users of a machine can read them.",
        options=(STAGE, *_CHANGE),
        app=True,
        changes=True,
    ),
    Command(
        "config:link",
        "Let a config var follow a service variable",
        "config:link DB_HOST=PG_DBHOST",
        "receiver.commands.config:link",
        "For apps that read other names than the service gives. `config:get` and `config --json` give what it has now; "
        "`config:unset` takes the link away.",
        arguments=(Argument("links", "KEY=VARIABLE", many=True),),
        options=_CHANGE,
        app=True,
        changes=True,
    ),
)

RELEASES = (
    Command(
        "releases",
        "List releases, newest first",
        "releases -n 5",
        "receiver.commands.releases:list_releases",
        "The last 15 unless told; as JSON all. JSON: an array of {version, status, kind, commit, created_at, by, "
        "description, slug, copy_of, reason}; `status` is live, superseded or failed; `kind` is push, config, service, "
        "rollback or rebuild.",
        options=(Option(("-n", "--num"), "number", "how many", "N", number=True), JSON),
        app=True,
    ),
    Command(
        "releases:info",
        "Show one release; the live one unless told",
        "releases:info v18",
        "receiver.commands.releases:info",
        "JSON: as in `releases`, and {processes, release_command, config_keys}.",
        arguments=(VERSION,),
        options=(JSON,),
        app=True,
    ),
    Command(
        "releases:output",
        "Print what was said while a release was made",
        "releases:output v19",
        "receiver.commands.releases:output",
        "All output of a refused release too.",
        arguments=(VERSION,),
        app=True,
    ),
    Command(
        "releases:diff",
        "Show what one release has other than an earlier one",
        "releases:diff v7 v9",
        "receiver.commands.release_difference:diff",
        "Commits, files, packages, Python, config vars, processes, services. With one version: it and the live one; "
        "without: the live one and the one before. JSON: {old, new, same, commits, commits_left, files, packages, "
        "rebuilt_packages, facts, config, service_variables, processes, services}; null is what is not known any more, "
        "a pair is before and after.",
        arguments=(Argument("versions", "vN", many=True, required=False),),
        options=(Option(("--show",), "show", "show the values of config vars"), JSON),
        app=True,
    ),
    Command(
        "rollback",
        "Go back to an earlier release's code and config",
        "rollback v17",
        "receiver.commands.releases:rollback",
        "Without a number: the last release that went live and is not the one being left. It becomes a new release. "
        "Services stay as they are now.",
        arguments=(VERSION,),
        options=(*_CHANGE, RELEASE_COMMAND),
        app=True,
        changes=True,
    ),
    Command(
        "builds:cancel",
        "Stop the build that is under way",
        "builds:cancel -a blog",
        "receiver.commands.builds:cancel",
        app=True,
        changes=True,
    ),
    Command(
        "builds:verify",
        "Build a release again, apart, and say whether it is the same",
        "builds:verify v18",
        "receiver.commands.builds:verify",
        "The live one unless told. With the config of that release, without caches, from what indexes have now; "
        "nothing of the app changes. Exits 1 when anything differs. JSON: {version, commit, same, slug_hash, "
        "hash_again, files, packages, rebuilt_packages, facts, processes, services, advice}.",
        arguments=(VERSION,),
        options=(JSON,),
        app=True,
        changes=True,
    ),
)

_INDEX = Option(("-i", "--index"), "index", "its number in the list", "N", number=True)
BUILDPACKS = (
    Command(
        "buildpacks",
        "List what builds the app",
        "buildpacks",
        "receiver.commands.buildpacks:list_buildpacks",
        "When none is set the file .buildpacks tells, then app.json, then what is found in the project. JSON: an array "
        "of names and addresses, in order.",
        options=(JSON,),
        app=True,
    ),
    Command(
        "buildpacks:set",
        "Set what builds the app, from the next push on",
        "buildpacks:set https://github.com/heroku/heroku-buildpack-apt",
        "receiver.commands.buildpacks:set_list",
        "A built-in one by name (python, nodejs, ruby, static, program), another by a git URL with an optional #TAG, "
        "an archive's URL, or a folder on the node. One takes the first place of the list, or that of --index; several "
        "are the whole list. The last one names the process types.",
        arguments=(Argument("names", "NAME_OR_URL", many=True),),
        options=(_INDEX,),
        app=True,
    ),
    Command(
        "buildpacks:add",
        "Add a buildpack, at the end or at a number",
        "buildpacks:add nodejs --index 1",
        "receiver.commands.buildpacks:add",
        "When none is set yet, the list begins with what was found for the live release.",
        arguments=(Argument("name", "NAME_OR_URL"),),
        options=(_INDEX,),
        app=True,
    ),
    Command(
        "buildpacks:remove",
        "Take a buildpack out, by name or by number",
        "buildpacks:remove --index 2",
        "receiver.commands.buildpacks:remove",
        arguments=(Argument("name", "NAME_OR_URL", required=False),),
        options=(_INDEX,),
        app=True,
    ),
    Command(
        "buildpacks:clear",
        "Take all out: the project's files tell again",
        "buildpacks:clear",
        "receiver.commands.buildpacks:clear",
        app=True,
    ),
)

PROCESSES = (
    Command(
        "ps",
        "Show an app's processes",
        "ps",
        "receiver.commands.process_list:show",
        "With how each one is (awake, asleep, waking, up, draining, crashed, unwell), and the last lines of one that "
        "is not well. JSON: an array of {process, state, release, since, memory_bytes, pid, workers, starts, "
        "next_try, why, last_lines}.",
        options=(JSON,),
        app=True,
    ),
    Command(
        "ps:scale",
        "Say how many of each process type run",
        "ps:scale web=1 worker=2",
        "receiver.commands.processes:scale",
        "Without words it shows the scale. It lasts over releases. Refused when the node has not the memory.",
        arguments=(Argument("formation", "TYPE=NUMBER", many=True, required=False),),
        options=(NO_CHECK,),
        app=True,
        changes=True,
    ),
    Command(
        "ps:restart",
        "Start all processes again, losing no request",
        "ps:restart",
        "receiver.commands.processes:restart",
        options=(NO_CHECK, RELEASE_COMMAND),
        app=True,
        changes=True,
    ),
    Command(
        "ps:rebuild",
        "Build the branch's tip again, into a new release",
        "ps:rebuild",
        "receiver.commands.processes:rebuild",
        options=_CHANGE,
        app=True,
        changes=True,
    ),
    Command(
        "ps:stop",
        "Stop an app; visitors get a 503 page",
        "ps:stop",
        "receiver.commands.processes:stop",
        app=True,
        changes=True,
    ),
    Command(
        "ps:start",
        "Start an app that was stopped",
        "ps:start",
        "receiver.commands.processes:start",
        options=(NO_CHECK,),
        app=True,
        changes=True,
    ),
    Command(
        "ps:idle",
        "Say after how long without a visit an app sleeps",
        "ps:idle 15m",
        "receiver.commands.processes:idle",
        "A time, `never`, or `default`: what [web] idle of its toppcloud.toml says, else the node. Without a word it "
        "shows what holds. Open connections, and workers that do not sleep with web, keep an app awake.",
        arguments=(Argument("span", "TIME", required=False),),
        app=True,
        changes=True,
    ),
    Command(
        "ps:sleep",
        "Let an app sleep now; its next visitor wakes it",
        "ps:sleep",
        "receiver.commands.processes:sleep",
        app=True,
        changes=True,
    ),
)

LOGS = (
    Command(
        "logs",
        "Print what an app's processes wrote",
        "logs -n 200 --tail --process web",
        "receiver.commands.logs:show",
        options=(
            Option(("-n", "--num"), "number", "how many lines", "N", number=True, default=100),
            Option(("-t", "--tail"), "tail", "go on with new lines until interrupted"),
            Option(("-p", "--process"), "process", "of one process type, or one process such as web.1", "PROCESS"),
            Option(("--release",), "version", "of one release, such as v12", "vN"),
        ),
        app=True,
    ),
    Command(
        "run",
        "Run a command in the live release",
        "run -- python manage.py createsuperuser",
        "receiver.commands.run:run_command",
        "With a terminal when you have one; stdin, signals and the exit status are passed through. Words after the "
        "first belong to the command.",
        arguments=(Argument("command", "CMD", many=True),),
        app=True,
        terminal=True,
        words=True,
    ),
)

SERVICES = (
    Command(
        "services",
        "List an app's services",
        "services",
        "receiver.commands.services:list_services",
        "JSON: an array of {name, status, version, size_bytes, variables}.",
        options=(JSON,),
        app=True,
    ),
    Command(
        "services:add",
        "Give an app a database or another service",
        "services:add postgres --scheme postgres",
        "receiver.commands.services:add",
        arguments=(Argument("name", "NAME"),),
        options=(
            Option(("--scheme",), "scheme", "how DATABASE_URL begins: postgresql (the default) or postgres", "SCHEME"),
            Option(("--as",), "as_name", "the variable for its URL, when the app's own is in the way", "NAME"),
            *_CHANGE,
        ),
        app=True,
        changes=True,
    ),
    Command(
        "services:remove",
        "Take a service away from an app",
        "services:remove postgres --confirm blog",
        "receiver.commands.services:remove",
        "A dump of its data is kept on the node unless --discard-data.",
        arguments=(Argument("name", "NAME"),),
        options=(CONFIRM, DISCARD_DATA, *_CHANGE),
        app=True,
        changes=True,
    ),
    Command(
        "services:info",
        "Show one service and the variables that it gives, values hidden",
        "services:info postgres",
        "receiver.commands.services:info",
        "JSON: {name, version, size_bytes, connections, server, database, variables}.",
        arguments=(Argument("name", "NAME"),),
        options=(Option(("--show",), "show", "show the values"), JSON),
        app=True,
    ),
    Command(
        "pg:psql",
        "Open psql on the app's database",
        "pg:psql -c 'select count(*) from users'",
        "receiver.commands.postgres:psql",
        "Without -c it reads SQL from the terminal, or from stdin.",
        options=(Option(("-c", "--command"), "command", "run this SQL and end", "SQL"),),
        app=True,
        terminal=True,
    ),
    Command(
        "files",
        "List what an app keeps over releases, and what it wrote",
        "files",
        "receiver.commands.files:list_files",
        "JSON: an array of {path, kept, size_bytes, written_at}.",
        options=(JSON,),
        app=True,
    ),
    Command(
        "files:keep",
        "Keep files or folders over releases",
        "files:keep db.sqlite3 uploads",
        "receiver.commands.files:keep",
        "Seeded from the live release without losing a write.",
        arguments=(Argument("paths", "PATH", many=True),),
        app=True,
        changes=True,
    ),
)

DOMAINS = (
    Command(
        "domains",
        "List the host names that lead to an app",
        "domains",
        "receiver.commands.domains:list_domains",
        "JSON: an array of {host, url, own}; `own` is true for the name that every app has.",
        options=(JSON,),
        app=True,
    ),
    Command(
        "domains:add",
        "Lead host names to an app, at once",
        "domains:add blog.example.com '*.blog.example.com'",
        "receiver.commands.domains:add",
        arguments=(Argument("hosts", "HOST", many=True),),
        app=True,
        changes=True,
    ),
    Command(
        "domains:remove",
        "Lead host names nowhere, at once",
        "domains:remove blog.example.com",
        "receiver.commands.domains:remove",
        arguments=(Argument("hosts", "HOST", many=True),),
        app=True,
        changes=True,
    ),
    Command(
        "open",
        "Open an app in the browser; over plain ssh, print its URL",
        "open",
        "receiver.commands.apps:open_app",
        where=Where.BOTH,
        app=True,
    ),
)

PEOPLE = (
    Command(
        "keys",
        "List the people who may push, with their keys' fingerprints",
        "keys",
        "receiver.commands.people:list_keys",
        "JSON: an array of {name, type, fingerprint, comment, you}.",
        options=(JSON,),
    ),
    Command(
        "keys:add",
        "Let a person in, by their public key on stdin",
        "keys:add bo ~/bo.pub",
        "receiver.commands.people:add",
        "The laptop command also takes a file. Over plain ssh: ssh … keys:add bo < bo.pub. Every key is an admin's.",
        arguments=(Argument("name", "NAME"), Argument("file", "FILE", required=False)),
        where=Where.BOTH,
        changes=True,
    ),
    Command(
        "keys:remove",
        "Let a person in no more; never the last one",
        "keys:remove bo",
        "receiver.commands.people:remove",
        arguments=(Argument("name", "NAME"),),
        changes=True,
    ),
)

NODE = (
    Command(
        "node start",
        "Start a node on this machine",
        "node start --ssh 127.0.0.1:2222 --http 127.0.0.1:8080",
        "receiver.commands.node:start",
        "Returns once SSH and HTTP answer. Without --admin-key it takes ~/.ssh/*.pub, else makes ~/.ssh/id_ed25519.",
        options=(
            ROOT,
            Option(("--ssh",), "ssh", "where people and git connect", "HOST:PORT"),
            Option(("--http",), "http", "where the router listens", "HOST:PORT"),
            Option(("--router",), "router", "what answers there", "caddy|nginx"),
            Option(("--domain",), "domain", "an app called blog answers at blog.DOMAIN", "DOMAIN"),
            Option(("--admin-key",), "admin_key", "the first person's public key", "FILE.pub"),
        ),
        where=Where.LAPTOP,
    ),
    Command(
        "node stop",
        "Stop the node; its data stays",
        "node stop",
        "receiver.commands.node:stop",
        options=(ROOT,),
        where=Where.LAPTOP,
    ),
    Command(
        "node status",
        "Say whether the node runs: exit 0, or 1 when not",
        "node status",
        "receiver.commands.node:status",
        "JSON: {running, root, ssh, http, pid, programs, apps}.",
        options=(ROOT, JSON),
        where=Where.LAPTOP,
    ),
    Command(
        "node doctor",
        "Look for what is wrong, and say how to mend it",
        "node doctor",
        "receiver.commands.node:doctor",
        "Exits 1 on any FAIL. JSON: an array of {level, what, cure}.",
        options=(ROOT, JSON),
        where=Where.LAPTOP,
    ),
)

TOPPCLOUD = (
    Command(
        "git:remote",
        "Add the git remote that leads to an app",
        "git:remote blog",
        "receiver.commands.git_remote:add",
        "Without --host the node on this machine is meant. Prints the remote.",
        arguments=(Argument("name", "APP"),),
        options=(
            Option(("--host",), "host", "the node's host", "HOST"),
            Option(("--port",), "port", "its SSH port", "PORT", number=True),
            Option(("-r", "--remote"), "remote", "the remote's name", "NAME", default="toppcloud"),
        ),
        where=Where.LAPTOP,
    ),
    Command(
        "completion",
        "Print the shell's completion script",
        "completion bash > ~/.local/share/bash-completion/completions/toppcloud",
        "receiver.completion:print_script",
        "For bash, zsh or fish. It knows commands, apps, process types, releases and config vars.",
        arguments=(Argument("shell", "SHELL"),),
        where=Where.LAPTOP,
    ),
    Command(
        "help",
        "Show all commands, or one with its options and an example",
        "help config:set",
        "receiver.commands.help:show",
        arguments=(Argument("command", "COMMAND", many=True, required=False),),
        where=Where.BOTH,
    ),
    Command(
        "version",
        "Print toppcloud's version",
        "version",
        "receiver.commands.help:version",
        where=Where.BOTH,
    ),
    Command(
        "ping",
        "Ask the front door whether it answers",
        "ping",
        "receiver.commands.help:ping",
        "Answered by the front door itself, without a worker process: the bare round trip.",
    ),
)

GROUPS: dict[str, tuple[Command, ...]] = {
    "Apps": APPS,
    "Config": CONFIG,
    "Releases": RELEASES,
    "Buildpacks": BUILDPACKS,
    "Processes": PROCESSES,
    "Output and commands": LOGS,
    "Services and files": SERVICES,
    "Domains": DOMAINS,
    "People": PEOPLE,
    "The node": NODE,
    "toppcloud": TOPPCLOUD,
}
COMMANDS: dict[str, Command] = {command.name: command for group in GROUPS.values() for command in group}
_GROUP_WORDS = {name.split()[0] for name in COMMANDS if " " in name}


def find_command(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that `words` begin with, and the words after it. Raises ToppcloudError (status 2) when unknown."""
    for length in (1, 2):
        if command := COMMANDS.get(" ".join(words[:length])):
            return command, list(words[length:])
    below = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
    name = " ".join(words[:2]) if below else words[0]
    near = "" if name == words[0] and below else suggest_nearest(name, below or {*COMMANDS, *_GROUP_WORDS})
    cure = "" if near else f"There are: {', '.join(below)}" if below else "See: toppcloud help"
    raise ToppcloudError(f"There is no command '{name}'.{near}", cure=cure, status=WRONG_USAGE)
