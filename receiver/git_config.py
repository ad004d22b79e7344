"""The person's own git configuration, as far as the laptop command needs it: read, and one remote written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from toppcloud.errors import ToppcloudError
from toppcloud.program import run

_TIMEOUT_S = 10.0


def read_git_config(environ: Mapping[str, str]) -> dict[str, str]:
    """All of git's configuration here, later values winning: {"remote.toppcloud.url": "ssh://…", …}.

    Section and variable are lower-cased by git, the part between them is not. Empty without git.
    """
    try:
        listing = run(["git", "config", "--list", "-z"], env=environ, timeout_s=_TIMEOUT_S, stdout=None).stdout
    except ToppcloudError:
        return {}
    entries = (entry.partition("\n") for entry in os.fsdecode(listing).split("\0") if entry)
    return {key: value for key, _, value in entries}


def write_remote(name: str, url: str, environ: Mapping[str, str]) -> None:
    """Let the remote `name` of this folder's repository lead to `url`, whether it is there already or not."""
    verb = "set-url" if f"remote.{name}.url" in read_git_config(environ) else "add"
    try:
        run(["git", "rev-parse", "--git-dir"], env=environ, timeout_s=_TIMEOUT_S)
    except ToppcloudError as error:
        raise ToppcloudError(
            f"{Path.cwd()} is not a git repository.", "The remote is kept in its configuration.", "Make one: git init"
        ) from error
    run(["git", "remote", verb, "--", name, url], env=environ, timeout_s=_TIMEOUT_S)
