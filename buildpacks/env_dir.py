"""ENV_DIR, as buildpacks of Heroku's and hooks of apps know it: a folder with one file for each config var.

ENV_DIR/SECRET_KEY holds the value and nothing else. Source: https://devcenter.heroku.com/articles/buildpack-api
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from buildpacks.buildpack import Workshop
from toppcloud.files import remove_tree


@contextlib.contextmanager
def hold_env_dir(workshop: Workshop) -> Iterator[Path]:
    """The folder, readable by the node's account only (0700), and gone when the block ends."""
    folder, account = workshop.slug.env_dir, workshop.node.account
    remove_tree(folder)
    folder.mkdir(mode=0o700)
    try:
        for name, value in workshop.environment.variables.items():
            fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(os.fsencode(value))
        account.own_tree(folder)
        yield folder
    finally:
        remove_tree(folder)
