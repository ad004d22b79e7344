import dataclasses
import json
from pathlib import Path

from tests.tiny_slug import TINY_SLUG
from toppcloud.app_layout import SlugLayout
from toppcloud.slug import Check, ServiceDeclaration, Web, read_slug, write_slug

SLUG = dataclasses.replace(
    TINY_SLUG,
    python_version="3.11.2",
    python_executable="/usr/bin/python3",
    services=(ServiceDeclaration("postgres"),),
    check=Check("/healthz", 5.0, 300.0, 3),
    web=Web("mod_wsgi", "blog.wsgi", "public", "15m", ("worker",), "503.html"),
)


def test_slug_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_slug(SlugLayout(tmp_path), SLUG)
    assert read_slug(SlugLayout(tmp_path)) == SLUG


def test_record_holds_one_hash_over_all_that_runs(tmp_path: Path) -> None:
    write_slug(SlugLayout(tmp_path), SLUG)
    assert json.loads(SlugLayout(tmp_path).record.read_text())["hash"] == SLUG.hash
    elsewhere = dataclasses.replace(SLUG, id="b", created_at="2027", venv_key="0f", python_executable="/opt/python3")
    assert elsewhere.hash == SLUG.hash
    for change in ({"content_hash": "sha256:01"}, {"distribution_hashes": {"flask": "sha256:01"}}, {"processes": {}}):
        assert dataclasses.replace(SLUG, **change).hash != SLUG.hash  # type: ignore[arg-type]


def test_slug_of_an_older_version_has_the_defaults(tmp_path: Path) -> None:
    layout = SlugLayout(tmp_path)
    write_slug(layout, SLUG)
    value = json.loads(layout.record.read_text())
    del value["web"], value["check"]["auto_rollback_s"], value["check"]["auto_rollback_after"]
    layout.record.write_text(json.dumps(value))
    assert read_slug(layout) == dataclasses.replace(SLUG, web=Web(), check=Check("/healthz", 5.0))
