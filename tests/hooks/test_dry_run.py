"""What a dry run concludes from what it saw, and how it counts what a release would add to the disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from buildpacks.manifest import scan_source, write_manifest
from deploy.trial import TrialAnswer
from hooks.dry_run import SlugSize, Tried, measure_slug, refuse_failure
from tests.tiny_slug import TINY_SLUG
from toppcloud.app_layout import SlugLayout
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Slug

MIGRATING = dataclasses.replace(TINY_SLUG, release_command="python migrate.py")


def tried(slug: Slug, status: int, *missing: str) -> Tried:
    return Tried(slug, SlugSize(0, 0), TrialAnswer(status, 0.1, False, 0, ("boom",), ""), missing)


def test_answer_of_500_is_refused_when_nothing_is_pending() -> None:
    with pytest.raises(ToppcloudError) as raised:
        refuse_failure(tried(TINY_SLUG, 503))
    assert raised.value.reason == "health check answered 503"
    assert raised.value.output == ("boom",)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (tried(MIGRATING, 500), "the release command (python migrate.py) did not run"),
        (tried(TINY_SLUG, 500, "postgres"), "postgres is not there yet"),
        (
            tried(MIGRATING, 500, "postgres"),
            "the release command (python migrate.py) did not run, and postgres is not there yet",
        ),
        (
            dataclasses.replace(tried(TINY_SLUG, 500), unseen=("db.sqlite3", "media")),
            "the kept files (db.sqlite3, media) are left out of a dry run",
        ),
        (tried(MIGRATING, 404, "postgres"), ""),
        (tried(TINY_SLUG, 200), ""),
    ],
)
def test_answer_of_500_is_undecided_while_something_is_missing(outcome: Tried, why: str) -> None:
    assert outcome.undecided == why
    refuse_failure(outcome)


def test_files_equal_to_those_of_the_live_slug_add_nothing(tmp_path: Path) -> None:
    layouts = [SlugLayout(tmp_path / name) for name in ("live", "tried")]
    for layout, text in zip(layouts, ("12345", "123"), strict=True):
        layout.source.mkdir(parents=True)
        (layout.source / "same.py").write_text("1234567")
        (layout.source / "changed.py").write_text(text)
        write_manifest(layout.manifest, scan_source(layout.source).manifest)
    assert measure_slug(layouts[1], layouts[0]) == SlugSize(3, 10)
    assert measure_slug(layouts[1], None) == SlugSize(10, 10)
