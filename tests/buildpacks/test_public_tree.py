"""A slug's public files: regular files of the folders it publishes, packed once, shared with the slug before."""

from __future__ import annotations

import dataclasses
import gzip
import os
import random

import pytest

from buildpacks.manifest import scan_source, write_manifest
from buildpacks.precompression import is_packable
from buildpacks.seal import seal
from toppcloud.account import this_account
from toppcloud.app_layout import SlugLayout
from toppcloud.slug import Slug, Web, read_slug

TEXT = "p { color: red }\n" * 400
SLUG = Slug("", "", "", "", "python 2", {}, None, {}, None, None, None, None, {}, "", static=(("s", "out"),))


@pytest.fixture
def make_slug(tmp_path):
    def make(slug_id, files, previous=None, **options):
        layout = SlugLayout(tmp_path / slug_id)
        for path, text in files.items():
            target = layout.source / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text if isinstance(text, bytes) else text.encode())
        write_manifest(layout.manifest, scan_source(layout.source).manifest)
        seal(layout, dataclasses.replace(SLUG, id=slug_id, **options), previous, this_account())
        return layout

    return make


def list_tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_public_files_are_those_of_the_source_at_their_address(make_slug):
    layout = make_slug("1", {"out/a/app.css": "p {}", "out/.hidden": "x", "out/.git/config": "x", "views.py": "x"})
    assert list_tree(layout.public) == ["s/a/app.css"]
    assert (layout.public / "s/a/app.css").samefile(layout.source / "out/a/app.css")
    assert not layout.public_hashed.exists()
    assert read_slug(layout).static == (("s", "out"),)
    assert sorted(os.listdir(layout.folder)) == ["public", "slug.json", "source", "source.sha256"]


def test_project_without_public_files_has_no_tree(make_slug):
    layout = make_slug("1", {"app.py": "x"}, static=())
    assert not layout.public.exists()


def test_what_becomes_much_smaller_is_packed_with_the_time_of_the_file(make_slug):
    noise = random.Random(1).randbytes(5000)
    layout = make_slug("1", {"out/a.css": TEXT, "out/noise.js": noise, "out/small.css": "p {}", "out/a.png": TEXT})
    assert list_tree(layout.public) == ["s/a.css", "s/a.css.gz", "s/a.png", "s/noise.js", "s/small.css"]
    packed = layout.public / "s/a.css.gz"
    assert gzip.decompress(packed.read_bytes()).decode() == TEXT
    assert packed.stat().st_mtime_ns == (layout.public / "s/a.css").stat().st_mtime_ns
    assert packed.stat().st_mode & 0o777 == 0o644


def test_same_text_is_packed_to_the_same_bytes(make_slug):
    first, second = (make_slug(name, {"out/a.css": TEXT}).public / "s/a.css.gz" for name in "12")
    assert first.read_bytes() == second.read_bytes()


def test_equal_file_keeps_its_time_and_its_packed_form_over_builds(make_slug):
    old = make_slug("1", {"out/a.css": TEXT, "out/b.css": TEXT})
    new = make_slug("2", {"out/a.css": TEXT, "out/b.css": TEXT + "p {}"}, old)
    for name in ("a.css", "a.css.gz"):
        assert (new.public / "s" / name).samefile(old.public / "s" / name)
    assert not (new.public / "s/b.css.gz").samefile(old.public / "s/b.css.gz")


def test_what_the_app_packed_itself_is_left_as_it_is(make_slug):
    layout = make_slug("1", {"out/a.css": TEXT, "out/a.css.gz": "its own"})
    assert (layout.public / "s/a.css.gz").read_text() == "its own"


def test_hashed_names_of_a_site_are_kept_for_pages_of_yesterday(make_slug):
    files = {"site/index.html": TEXT, "site/assets/index-BkN2Xw3a.js": TEXT}
    layout = make_slug("1", files, static=(), web=Web(static="site"))
    expected = ["assets/index-BkN2Xw3a.js", "assets/index-BkN2Xw3a.js.gz"]
    assert list_tree(layout.public) == expected
    assert list_tree(layout.public_hashed) == expected


def test_links_in_a_public_folder_are_left_out(tmp_path, make_slug):
    (tmp_path / "1/source/out").mkdir(parents=True)
    (tmp_path / "1/source/out/passwd").symlink_to("/etc/passwd")
    (tmp_path / "1/source/out/etc").symlink_to("/etc")
    os.mkfifo(tmp_path / "1/source/other")
    layout = make_slug("1", {"out/a.txt": "x"})
    assert list_tree(layout.public) == ["s/a.txt"]


def test_public_folder_behind_a_link_is_left_out(tmp_path, make_slug):
    (tmp_path / "1/source").mkdir(parents=True)
    (tmp_path / "1/source/lib").symlink_to("/etc")
    layout = make_slug("1", {"a.txt": "x"}, static=(("s", "lib/ssl"), ("t", "../../")))
    assert not layout.public.exists()


def test_only_text_of_a_fair_size_is_packed():
    assert is_packable("app.CSS", 5000)
    assert not is_packable("app.css", 500)
    assert not is_packable("app.css", 1 << 30)
    assert not is_packable("app.css.gz", 5000)
