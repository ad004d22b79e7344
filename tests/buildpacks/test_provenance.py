"""A push shares with the slug before it what the commit has in common, and never what a build step may write to."""

from __future__ import annotations

import os
import stat

import pytest

from buildpacks.export import EarlierSource, export_tree
from buildpacks.manifest import KnownSource, Manifest, read_manifest, scan_source, write_manifest
from buildpacks.provenance import find_altered, read_provenance, write_provenance
from toppcloud.app_layout import SlugLayout
from toppcloud.tree import part_tree


@pytest.fixture
def export(repository, tmp_path):
    """Exports files as a slug of that name, with links to an earlier one."""

    def run(name, files, earlier=None):
        layout = SlugLayout(tmp_path / name)
        layout.folder.mkdir()
        exported = export_tree(repository.store, repository.tree(files), layout.source, earlier)
        return layout, exported

    return run


FILES = {"a.py": "1", "run": (0o100755, "#!"), "lib/b.py": "2", "lib/deep/c.py": "3"}


def build(layout, exported):
    """What taking stock leaves."""
    scanned = scan_source(layout.source, exported.blobs)
    write_manifest(layout.manifest, scanned.manifest)
    write_provenance(layout, exported, find_altered(exported, scanned.blobs))
    return read_provenance(layout)


def test_files_of_the_commit_before_are_links_and_others_are_not(export):
    old, exported = export("1", FILES)
    earlier = build(old, exported)
    changed = {**FILES, "lib/b.py": "other", "new.py": "1", "run": (0o100644, "#!")}
    new, again = export("2", changed, earlier)
    same = [
        name for name in changed if (old.source / name).exists() and (old.source / name).samefile(new.source / name)
    ]
    assert sorted(same) == ["a.py", "lib/deep/c.py"]
    assert (new.source / "lib/b.py").read_text() == "other"
    assert stat.S_IMODE((new.source / "run").stat().st_mode) == 0o644
    assert stat.S_IMODE((old.source / "run").stat().st_mode) == 0o755
    assert again.files == 5


def test_what_a_build_has_altered_removed_or_put_in_place_is_exported_anew(export):
    old, exported = export("1", FILES)
    (old.source / "a.py").write_text("built")
    (old.source / "run").chmod(0o644)
    (old.source / "lib/b.py").unlink()
    (old.source / "lib/b.py").symlink_to("/etc/passwd")
    (old.source / "lib/deep/c.py").unlink()
    earlier = build(old, exported)
    assert earlier.altered == {b"a.py", b"run", b"lib/b.py", b"lib/deep/c.py"}
    new, _ = export("2", FILES, earlier)
    assert [(new.source / name).read_text() for name in ("a.py", "lib/b.py", "lib/deep/c.py")] == ["1", "2", "3"]
    assert not (new.source / "a.py").samefile(old.source / "a.py")
    assert stat.S_IMODE((new.source / "run").stat().st_mode) == 0o755


def test_folder_that_a_build_has_replaced_by_a_link_is_not_followed(export, tmp_path):
    old, exported = export("1", FILES)
    earlier = build(old, exported)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.py").write_text("foreign")
    (old.source / "lib").rename(tmp_path / "lib")
    (old.source / "lib").symlink_to(tmp_path / "elsewhere")
    new, _ = export("2", FILES, earlier)
    assert (new.source / "lib/b.py").read_text() == "2"


def test_slug_that_is_gone_or_says_nothing_of_its_files_is_no_hindrance(export):
    old, exported = export("1", FILES)
    assert read_provenance(old) is None
    gone = EarlierSource(old.folder / "nothing", exported.tree_id, frozenset())
    unknown = EarlierSource(old.source, b"0" * 40, frozenset())
    for name, earlier in (("2", gone), ("3", unknown)):
        new, _ = export(name, FILES, earlier)
        assert scan_source(new.source).content_hash == scan_source(old.source).content_hash
        assert (new.source / "a.py").stat().st_nlink == 1


def test_digest_of_a_file_is_taken_from_before_only_when_it_is_the_same_file(export):
    old, exported = export("1", FILES)
    earlier = build(old, exported)
    known = KnownSource(old.source, Manifest({path: "known" for path in read_manifest(old.manifest).files}))
    new, again = export("2", {**FILES, "a.py": "9"}, earlier)
    os.link(new.source / "a.py", new.source / "second-name")
    scanned = scan_source(new.source, again.blobs, known)
    assert [scanned.manifest.files[path] == "known" for path in (b"a.py", b"lib/b.py", b"second-name")] == [
        False,
        True,
        False,
    ]
    assert find_altered(again, scanned.blobs) == []


def test_who_gets_a_source_to_write_in_writes_to_no_other_slug(export):
    old, exported = export("1", FILES)
    new, _ = export("2", FILES, build(old, exported))
    assert (new.source / "run").samefile(old.source / "run")
    part_tree(new.source)
    for name in ("a.py", "run", "lib/deep/c.py"):
        assert not (new.source / name).samefile(old.source / name)
        assert (new.source / name).stat().st_mode == (old.source / name).stat().st_mode
    (new.source / "a.py").write_text("changed")
    assert (old.source / "a.py").read_text() == "1"
    assert sorted(os.listdir(new.source)) == ["a.py", "lib", "run"]


def test_manifest_of_many_files_shares_what_is_as_before(tmp_path):
    files = {f"folder{n % 7}/file{n}.py".encode(): f"{n:064x}" for n in range(3000)}
    write_manifest(tmp_path / "1", Manifest(files))
    changed = {**files, b"folder1/file1.py": "f" * 64}
    write_manifest(tmp_path / "2", Manifest(changed), tmp_path / "1")
    assert read_manifest(tmp_path / "2") == Manifest(changed)
    assert read_manifest(tmp_path / "1") == Manifest(files)
    own = [path for path in (tmp_path / "2").iterdir() if path.stat().st_nlink == 1]
    assert len(own) == 1
    write_manifest(tmp_path / "3", Manifest({b"a": "0" * 64}), tmp_path / "2")
    write_manifest(tmp_path / "4", Manifest(files), tmp_path / "3")
    assert read_manifest(tmp_path / "4") == Manifest(files)


@pytest.mark.node
def test_build_step_that_writes_in_place_alters_its_own_slug_only_and_starts_from_the_commit(builder):
    files = {
        "Procfile": "web: ./serve\n",
        "serve": (0o100755, "#!/bin/sh\n"),
        "counted.txt": "",
        "kept.txt": "same",
        "bin/post_compile": "echo built >> counted.txt; cat kept.txt > /dev/null\n",
    }
    slugs = [builder.app.slug(builder.push({**files, "n": str(n)}).id) for n in range(3)]
    assert [(slug.source / "counted.txt").read_text() for slug in slugs] == ["built\n"] * 3
    assert read_provenance(slugs[2]).altered >= {b"counted.txt"}
    assert len({(slug.source / "kept.txt").stat().st_ino for slug in slugs}) == 1
    builder.uses_cache = False
    fresh = builder.app.slug(builder.push(files).id)
    assert (fresh.source / "counted.txt").read_text() == "built\n"
