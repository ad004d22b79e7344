"""Shell completion: the scripts, and the words that they offer. What only the node knows is asked quickly or never.

The shell calls `toppcloud __complete WORDS…`, the last of them being the one under the cursor, perhaps empty.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from receiver.command import Command
from receiver.command_line import choose_remote, take_remote_name
from receiver.git_config import read_git_config
from receiver.help_text import options_of
from receiver.remote import Remote
from receiver.ssh_command import build_argv, choose_ssh
from receiver.table import COMMANDS
from toppcloud.errors import WRONG_USAGE, ToppcloudError, suggest_nearest
from toppcloud.files import write_json
from toppcloud.program import run

CACHE_S = 30.0
NODE_TIMEOUT_S = 2.0
_APP_FLAGS = ("-a", "--app")
_PROCESS_FLAGS = ("-p", "--process")
_RELEASE_FLAGS = ("--release",)

Ask = Callable[[str], Any]
"""Asks the node for a list as JSON: `ask("apps")`; None when it does not answer in time."""


def print_script(*, shell: str) -> None:
    """The script for bash, zsh or fish."""
    if shell not in _SCRIPTS:
        raise ToppcloudError(
            f"There is no completion for '{shell}'.{suggest_nearest(shell, _SCRIPTS)}",
            f"There is one for {', '.join(_SCRIPTS)}.",
            status=WRONG_USAGE,
        )
    print(_SCRIPTS[shell], end="")


def print_candidates(words: list[str]) -> None:
    """One candidate a line. Whatever goes wrong, the shell shows nothing: nobody asked."""
    try:
        print("".join(f"{word}\n" for word in list_candidates(words, make_ask(words, os.environ))), end="")
    except (ToppcloudError, OSError) as error:
        sys.exit(getattr(error, "status", 1))


def list_candidates(words: list[str], ask: Ask) -> list[str]:
    """What may stand in place of the last of `words`."""
    *before, word = words or [""]
    command = _find_command(before)
    if command is None:
        offered = _command_words(before)
    elif before[-1] in _APP_FLAGS:
        offered = _apps(ask)
    elif before[-1] in _PROCESS_FLAGS:
        offered = _process_types(ask)
    elif before[-1] in _RELEASE_FLAGS:
        offered = _releases(ask)
    elif word.startswith("-"):
        offered = [flag for option in options_of(command) for flag in option.flags if flag.startswith("--")]
    else:
        offered = _values(command, ask)
    return sorted({candidate for candidate in offered if candidate.startswith(word)})


def _find_command(before: list[str]) -> Command | None:
    return COMMANDS.get(" ".join(before[:2])) or COMMANDS.get(" ".join(before[:1]))


def _command_words(before: list[str]) -> list[str]:
    """First words of all commands; second words after `node`."""
    if not before:
        return [name.split()[0] for name in COMMANDS]
    return [name.split()[1] for name in COMMANDS if name.startswith(f"{before[0]} ")]


def _values(command: Command, ask: Ask) -> list[str]:
    if command.name in ("rollback", "releases:info", "releases:output", "releases:diff", "builds:verify"):
        return _releases(ask)
    if command.name in ("config:get", "config:unset"):
        return list(ask("config") or ())
    if command.name == "config:set":
        return [f"{key}=" for key in ask("config") or ()]
    if command.name == "ps:scale":
        return [f"{kind}=" for kind in _process_types(ask)]
    if command.name == "ps:idle":
        return ["15m", "30m", "2h", "never", "default"]
    if command.name in ("apps:info", "apps:destroy", "git:remote"):
        return _apps(ask)
    if command.name.startswith("services:") and command.name != "services:add":
        return [service["name"] for service in ask("services") or ()]
    if command.name == "domains:remove":
        return [domain["host"] for domain in ask("domains") or () if not domain["own"]]
    if command.name in ("buildpacks:set", "buildpacks:add"):
        return ["python", "nodejs", "ruby", "static", "program"]
    if command.name == "buildpacks:remove":
        return list(ask("buildpacks") or ())
    if command.name == "keys:remove":
        return [person["name"] for person in ask("keys") or ()]
    return {"help": [name.split()[0] for name in COMMANDS], "completion": list(_SCRIPTS)}.get(command.name, [])


def _releases(ask: Ask) -> list[str]:
    return [f"v{release['version']}" for release in ask("releases") or ()]


def _apps(ask: Ask) -> list[str]:
    return [app["name"] for app in ask("apps") or ()]


def _process_types(ask: Ask) -> list[str]:
    return [process["process"].partition(".")[0] for process in ask("ps") or ()]


def make_ask(words: list[str], environ: Mapping[str, str]) -> Ask:
    """Asks over ssh, without any question to the person; answers are kept for half a minute, values never."""

    def ask(noun: str) -> Any:
        command = COMMANDS[noun]
        name, rest = take_remote_name(command, words)
        git_config = read_git_config(environ)
        remote = choose_remote(name or environ.get("TOPPCLOUD_REMOTE"), git_config, environ)
        app = _named_app(rest) or remote.app
        if command.app and not app:
            return None
        asked = [noun, *(["-a", app] if command.app and app else []), "--json"]
        cache = _cache_path(remote, asked, environ)
        answer = _read_cache(cache)
        if answer is None:
            answer = _ask_node(choose_ssh(environ, git_config), remote, asked, environ)
            answer = list(answer) if isinstance(answer, dict) else answer  # config: the keys without their values
            cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_json(cache, answer, mode=0o600)
        return answer

    return ask


def _named_app(words: list[str]) -> str | None:
    """The app after `-a` among words that are not finished yet."""
    places = [i for i, word in enumerate(words[:-2]) if word in _APP_FLAGS]
    return words[places[-1] + 1] if places else None


def _ask_node(ssh: list[str], remote: Remote, words: list[str], environ: Mapping[str, str]) -> Any:
    quiet = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={NODE_TIMEOUT_S:.0f}"]
    argv = build_argv([*ssh, *quiet], remote, words, terminal=False)
    try:
        return json.loads(run(argv, env=environ, timeout_s=NODE_TIMEOUT_S).stdout)
    except ValueError:
        return None


def _cache_path(remote: Remote, words: list[str], environ: Mapping[str, str]) -> Path:
    folder = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "/tmp")) / ".cache")  # noqa: S108
    digest = hashlib.sha256(json.dumps([remote.url, words]).encode()).hexdigest()[:16]
    return Path(folder) / "toppcloud" / f"completion-{digest}.json"


def _read_cache(path: Path) -> Any:
    try:
        return json.loads(path.read_text()) if time.time() - path.stat().st_mtime < CACHE_S else None
    except (OSError, ValueError):
        return None


_BASH = """# bash: toppcloud completion bash > ~/.local/share/bash-completion/completions/toppcloud
_toppcloud() {
    local line=${COMP_LINE:0:COMP_POINT} words word head='' breaks='' i
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    word=${words[-1]}
    mapfile -t COMPREPLY < <(toppcloud __complete "${words[@]:1}" 2>/dev/null)
    # where ':' and '=' end a word for bash, it wants only what comes after the last of them
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=':'
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+='='
    [[ -n $breaks && $word == *[$breaks]* ]] && head=${word%"${word##*[$breaks]}"}
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$head"}; done
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    return 0
}
complete -o default -F _toppcloud toppcloud
"""

_ZSH = """#compdef toppcloud
# zsh: toppcloud completion zsh > _toppcloud, in a folder of $fpath
_toppcloud() {
    local -a candidates
    candidates=("${(@f)$(toppcloud __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    candidates=(${candidates:#})
    if (( ${#candidates} )); then
        local -a assignments plain
        assignments=(${(M)candidates:#*=})
        plain=(${candidates:#*=})
        (( ${#plain} )) && compadd -- $plain
        (( ${#assignments} )) && compadd -S '' -- $assignments
    else
        _files
    fi
}
if [[ $funcstack[1] == _toppcloud ]]; then _toppcloud "$@"; else compdef _toppcloud toppcloud; fi
"""

_FISH = """# fish: toppcloud completion fish > ~/.config/fish/completions/toppcloud.fish
function __toppcloud_complete
    set -l words (commandline -opc) (commandline -ct)
    toppcloud __complete $words[2..-1] 2>/dev/null
end
complete -c toppcloud -a '(__toppcloud_complete)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
