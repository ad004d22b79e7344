"""The app's own steps in a build: bin/pre_compile before the first buildpack, bin/post_compile after the last one.

They run in the project's folder as the account of pushed code, with config and service variables, and may change the
project. What a buildpack of Heroku's has as arguments they have as variables: BUILD_DIR, CACHE_DIR, ENV_DIR.
Source: https://devcenter.heroku.com/articles/python-support
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from buildpacks.buildpack import Workshop
from buildpacks.env_dir import hold_env_dir
from buildpacks.seal import take_over
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.program import ProgramFailed, run

PRE_COMPILE = "bin/pre_compile"
POST_COMPILE = "bin/post_compile"
_CHMOD_TIMEOUT_S = 20
_MOST_READ = 1_000_000
_LONGEST_LINE = 256  # the kernel reads no more of a first line


def has_hook(source: Path, name: str) -> bool:
    """Whether the project has a file of that name."""
    return (source / name).is_file()


def mentions(source: Path, name: str, word: bytes) -> bool:
    """Whether that word stands in the hook's first megabyte."""
    fd = os.open(source / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        return stat.S_ISREG(os.fstat(fd).st_mode) and word in file.read(_MOST_READ)


def run_hook(workshop: Workshop, name: str, console: Console, *, venv: Path | None = None) -> None:
    """Run `bin/pre_compile` or `bin/post_compile` if the project has it; its lines are shown as they come.

    Afterwards the project is ours again: nothing that it left running can exchange a file while we read it. `venv` is
    in use as after `activate`. Raises ToppcloudError when it fails, or Cancelled.
    """
    if not has_hook(workshop.source, name):
        return
    script, account = workshop.source / name, workshop.node.account
    limit_s = workshop.node.settings.hook_timeout_s
    account.own_tree(workshop.source)
    console.line(f"-----> {name}")
    began = console.clock()
    try:
        run(["chmod", "+x", "--", script], account=account, timeout_s=_CHMOD_TIMEOUT_S)
        with hold_env_dir(workshop) as env_dir:
            environment = {
                **workshop.step_environment(*([venv / "bin"] if venv else [])),
                **({"VIRTUAL_ENV": str(venv)} if venv else {}),
                "BUILD_DIR": str(workshop.source),
                "CACHE_DIR": str(workshop.open_cache("hooks")),
                "ENV_DIR": str(env_dir),
            }
            workshop.run(choose_argv(script, name), environment, timeout_s=limit_s, on_line=console.detail)
    except ProgramFailed as failure:
        raise _refusal(name, failure, limit_s) from failure
    take_over(workshop.source, account)
    console.step(f"{name} done", console.clock() - began)


def choose_argv(script: Path, name: str) -> list[str]:
    """A program runs by itself; a text without `#!` is bash's, as it is when a shell starts it.

    Raises ToppcloudError for a `#!` line that leads to no program.
    """
    first = _read_first_line(script)
    if first.startswith(b"\x7fELF"):
        return [str(script)]
    words = first[2:].split() if first.startswith(b"#!") else []
    if not words:
        return ["/bin/bash", str(script)]
    if first.endswith(b"\r"):
        why = "Its lines end with a carriage return, as on Windows, and the first one names no program because of it."
        raise _unusable(name, why, f"sed -i 's/\\r$//' {name}; echo '{name} text eol=lf' >> .gitattributes")
    if not Path(os.fsdecode(words[0])).is_file():
        line = first.decode(errors="replace")[:100]
        raise _unusable(name, f"Its first line is {line}, and this node has no such program.", "Correct that line.")
    return [str(script)]


def _read_first_line(script: Path) -> bytes:
    """The script is whatever code of the app's has put there: a pipe too, or a link."""
    fd = os.open(script, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        return file.read(_LONGEST_LINE).partition(b"\n")[0] if is_file else b""


def _unusable(name: str, why: str, cure: str) -> ToppcloudError:
    return ToppcloudError(f"{name} cannot be run.", why, f"{cure}\nCommit, push again.", reason=f"{name} cannot be run")


def _refusal(name: str, failure: ProgramFailed, limit_s: float) -> ToppcloudError:
    status = failure.status_code
    ending = f"did not end within {limit_s:.0f} s (hook_timeout_s)" if status is None else f"ended with {status}"
    return ToppcloudError(
        f"{name} {ending}.",
        "It is a step of this app's own in the build, run with its config vars. Its last lines are above.",
        f"Correct it, commit, push again. To build without it: git rm {name}",
        reason=f"{name} failed",
    )
