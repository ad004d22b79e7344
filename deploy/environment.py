"""The whole environment of an app's process: made from nothing, never copied from ours."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toppcloud.app_layout import AppLayout, ReleaseLayout
from toppcloud.program import BASE_PATH

_WORKER_BYTES = 128 * 1024**2  # what one worker of a usual Django app takes, and some room


@dataclass(frozen=True)
class ProcessIdentity:
    """Which process of which release the environment is for."""

    app: AppLayout
    release: ReleaseLayout
    process: str
    """`web.1`, `worker.2`, `release.1`, `run.1`."""
    commit: str


def build_environment(
    identity: ProcessIdentity,
    *,
    variables: Mapping[str, str],
    venv: Path | None,
    runtime: Mapping[str, str],
    paths: Sequence[str] = (),
    port: int | None,
    keeps_files: bool,
) -> dict[str, str]:
    """What the process is given, exactly.

    `variables` are service variables with the config vars on top of them: they win over our defaults, but not over
    what says who the process is. `runtime` and `paths` are what the slug's buildpacks give: defaults, and folders of
    programs. Without a `port` the launcher gives it one.
    """
    folder = identity.release
    defaults = {
        "PATH": ":".join([*([f"{venv}/bin"] if venv else []), *(str(folder.source / p) for p in paths), BASE_PATH]),
        "HOME": str(folder.source),
        "LANG": "C.UTF-8",
        "TMPDIR": str(folder.tmp),
        "PYTHONUNBUFFERED": "1",
        "FORWARDED_ALLOW_IPS": "*",
        "WEB_CONCURRENCY": str(choose_web_concurrency()),
        **runtime,
    }
    if venv:
        defaults["VIRTUAL_ENV"] = str(venv)  # as after `activate`: uWSGI's configurations name it
    if keeps_files:
        defaults["FILES_DIR"] = str(identity.app.files)
    ours = {
        **({} if port is None else {"PORT": str(port)}),
        "TOPPCLOUD_APP": identity.app.name,
        "TOPPCLOUD_RELEASE": f"v{folder.number}",
        "TOPPCLOUD_PROCESS": identity.process,
        "SOURCE_VERSION": identity.commit,
    }
    environment = {**defaults, **{key: str(value) for key, value in variables.items()}, **ours}
    if venv:
        environment.pop("PYTHONHOME", None)  # a virtualenv has its own, and no Python starts with another's
    return environment


def choose_web_concurrency(cores: int | None = None, memory_bytes: int | None = None) -> int:
    """Web workers when nobody set WEB_CONCURRENCY: one per core, two at least, as far as a quarter of memory goes."""
    cores = cores or len(os.sched_getaffinity(0))
    memory_bytes = memory_bytes or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    affordable = memory_bytes // 4 // _WORKER_BYTES
    return max(1, min(max(2, cores), affordable, 8))
