"""builds:verify without a build: what it needs to be there, and what it advises."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from buildpacks.manifest import Manifest
from deploy.release import Release, ReleaseEnvironment
from hooks.release_difference import Commits, Difference, Side
from hooks.verification import Verification, advise, require_parts
from tests.tiny_slug import TINY_SLUG
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError

RELEASE = Release(9, "push", "Add search", "a41c9e2f", "slug-9", "ana", "2026-11-22T14:45:04Z", {}, None)
SLUG = dataclasses.replace(TINY_SLUG, id="slug-9", processes={}, python_version="3.12.7", manager="pip")
SIDE = Side(RELEASE, SLUG, Manifest({}), ReleaseEnvironment({}, {}))
SAME = Difference(Commits((), ()), {}, False, {}, (), {}, {}, {}, {}, {})


def advise_on(manager: str, **changes: object) -> list[str]:
    difference = dataclasses.replace(SAME, **changes)  # type: ignore[arg-type]
    slug = dataclasses.replace(SLUG, manager=manager)
    return advise(Verification(RELEASE, slug, slug, difference, 1.0))


@pytest.mark.parametrize(
    ("side", "store", "what"),
    [
        (dataclasses.replace(SIDE, slug=None), {b"a41c9e2f": b""}, "The slug of v9 of blog is gone."),
        (dataclasses.replace(SIDE, environment=None), {b"a41c9e2f": b""}, "v9 of blog never went live."),
        (SIDE, {}, "The commit a41c9e2 of v9 of blog is not on the node any more."),
    ],
)
def test_what_is_gone_cannot_be_built_again(side: Side, store: dict[bytes, bytes], what: str) -> None:
    with pytest.raises(ToppcloudError) as refused:
        require_parts(AppLayout(Path("apps/blog")), side, store)
    assert refused.value.what == what


def test_versions_that_moved_are_named_as_they_were_and_those_that_came_are_not() -> None:
    moved = {"click": ("8.1.7", "8.1.8"), "six": ("1.17.0", None), "httpx": (None, "0.28.1")}
    held = "As they were: click==8.1.7 six==1.17.0"
    assert advise_on("pip", packages=moved) == [f"requirements.txt names no exact version of them. {held}"]
    assert advise_on("uv", packages=moved) == [f"uv.lock does not hold them. {held}"]
    many = {f"p{n}": ("1", "2") for n in range(12)}
    assert advise_on("pip", packages=many)[0].endswith("p9==1 and 2 more")


def test_each_cause_has_a_line_of_its_own() -> None:
    lines = advise_on("poetry", rebuilt=("six",), facts={"Python": ("3.12.7", "3.12.8")}, files={"a.gz": ("1", "2")})
    assert [line.split(":")[0] for line in lines] == [
        "six",
        "Name the Python that it had in .python-version",
        "Each build writes such files anew",
    ]
    assert advise_on("pip") == []
