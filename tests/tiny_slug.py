"""A slug in which nothing is but a program; tests say what else theirs has: `dataclasses.replace(TINY_SLUG, ...)`."""

from __future__ import annotations

from toppcloud.slug import Slug

TINY_SLUG = Slug(
    id="slug",
    commit="a41c9e2f",
    subject="Add search",
    created_at="2026-11-22T14:45:04Z",
    buildpack="program 1",
    processes={"web": "x"},
    release_command=None,
    environment={},
    venv_key=None,
    python_version=None,
    python_executable=None,
    lock_hash=None,
    distributions={},
    content_hash="sha256:1",
)
