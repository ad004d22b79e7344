"""Manifest, bytecode and seal: what becomes of a source after its build."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from buildpacks.bytecode import compile_files, find_same_file, list_compilations, reuse_bytecode
from buildpacks.manifest import read_manifest, scan_source, write_manifest
from buildpacks.seal import seal, take_over
from toppcloud.account import this_account
from toppcloud.app_layout import SlugLayout
from toppcloud.slug import Slug, read_slug

TAG = sys.implementation.cache_tag


def make_slug(folder: Path, files: dict[str, str]) -> SlugLayout:
    layout = SlugLayout(folder)
    for name, content in files.items():
        path = layout.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    write_manifest(layout.manifest, scan_source(layout.source).manifest)
    return layout


def record(name: str) -> Slug:
    nothing = {"venv_key": None, "python_version": None, "python_executable": None, "lock_hash": None}
    return Slug(name, "c", "s", "t", "b", {}, None, {}, **nothing, distributions={}, content_hash="sha256:0")


def test_manifest_survives_names_of_every_kind(tmp_path):
    source = os.fsencode(tmp_path / "source")
    os.mkdir(source)
    for name in (b"two\nlines", b"back\\slash", b"caf\xe9", b"back\\n", b"  ./x", b"\\\\n"):
        with open(os.path.join(source, name.replace(b"/", b"_")), "wb") as file:
            file.write(name)
    manifest = scan_source(tmp_path / "source").manifest
    write_manifest(tmp_path / "m", manifest)
    assert read_manifest(tmp_path / "m") == manifest
    checked = subprocess.run(["sha256sum", "--quiet", "-c", tmp_path / "m"], cwd=tmp_path / "source", check=False)
    assert checked.returncode == 0


def test_content_hash_tells_content_mode_name_and_link(tmp_path):
    layout = make_slug(tmp_path / "s", {"a": "1", "b/c": "2"})
    hashes = [scan_source(layout.source).content_hash]
    (layout.source / "a").chmod(0o755)
    hashes.append(scan_source(layout.source).content_hash)
    (layout.source / "l").symlink_to("a")
    hashes.append(scan_source(layout.source).content_hash)
    (layout.source / "a").rename(layout.source / "z")
    hashes.append(scan_source(layout.source).content_hash)
    assert len(set(hashes)) == 4
    (layout.source / "__pycache__").mkdir()
    (layout.source / "__pycache__/a.pyc").write_text("x")
    assert scan_source(layout.source).content_hash == hashes[-1]


def test_socket_or_pipe_of_a_build_step_does_not_stop_the_build(tmp_path):
    layout = make_slug(tmp_path / "s", {"a": "1"})
    os.mkfifo(layout.source / "pipe")
    assert list(scan_source(layout.source).manifest.files) == [b"a"]
    assert not (layout.source / "pipe").exists()


def test_what_a_build_step_has_closed_does_not_stop_the_build(tmp_path):
    layout = make_slug(tmp_path / "s", {"a": "1"})
    (layout.source / "inner").mkdir()
    (layout.source / "inner/b").write_text("2")
    (layout.source / "a").chmod(0)
    (layout.source / "inner").chmod(0)
    assert sorted(scan_source(layout.source).manifest.files) == [b"a", b"inner/b"]
    (layout.source / "inner").chmod(0o755)


def test_equal_files_become_links_and_others_stay(tmp_path):
    old = make_slug(tmp_path / "1", {"same": "1", "changed": "1", "mode": "1", "gone": "1"})
    seal(old, record("1"), None, this_account())
    new = make_slug(tmp_path / "2", {"same": "1", "changed": "2", "mode": "1", "new": "1"})
    (new.source / "mode").chmod(0o755)
    seal(new, record("2"), old, this_account())
    assert (new.source / "same").samefile(old.source / "same")
    for name in ("changed", "mode"):
        assert not (new.source / name).samefile(old.source / name)
    assert (old.source / "changed").read_text() == "1"
    assert stat.S_IMODE((old.source / "mode").stat().st_mode) == 0o644
    assert sorted(os.listdir(new.source)) == ["changed", "mode", "new", "same"]
    assert read_slug(new) == record("2")


def test_previous_slug_that_is_gone_or_was_altered_is_no_hindrance(tmp_path):
    old = make_slug(tmp_path / "1", {"a": "1", "b": "1"})
    (old.source / "a").unlink()
    (old.source / "b").write_text("altered")
    new = make_slug(tmp_path / "2", {"a": "1", "b": "1"})
    seal(new, record("2"), old, this_account())
    seal(make_slug(tmp_path / "3", {"a": "1"}), record("3"), SlugLayout(tmp_path / "gone"), this_account())
    assert ((new.source / "a").read_text(), (new.source / "b").read_text()) == ("1", "1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to itself")
def test_files_of_the_slug_become_roots_but_a_foreign_file_does_not(folder, account):
    layout = make_slug(folder / "s", {"a": "1"})
    foreign = folder / "database"
    foreign.write_text("data")
    account.own(foreign)
    os.link(foreign, layout.source / "planted")
    account.own_tree(layout.source)
    take_over(layout.source, account)
    assert {p.stat().st_uid for p in (layout.source, layout.source / "a", layout.source / "planted")} == {0}
    assert foreign.stat().st_uid == account.uid
    assert (layout.source / "planted").read_text() == "data"


def compile_all(source: Path, compilations=None):
    compilations = list(list_compilations(source, TAG)) if compilations is None else compilations
    return compile_files(Path(sys.executable), compilations, this_account(), timeout_s=30)


def test_bytecode_is_unchecked_and_used_from_any_place(tmp_path):
    layout = make_slug(tmp_path / "s", {"blog/__init__.py": "", "blog/views.py": "def f(): raise KeyError\n"})
    assert compile_all(layout.source) == 2
    pyc = layout.source / f"blog/__pycache__/views.{TAG}.pyc"
    assert pyc.read_bytes()[4:8] == b"\x01\0\0\0"  # PEP 552: hash-based, not checked
    shutil.copytree(layout.source, tmp_path / "release")
    code = "import traceback, blog.views as v\nprint(v.__cached__)\ntry: v.f()\nexcept KeyError: traceback.print_exc()"
    ran = subprocess.run([sys.executable, "-B", "-c", code], cwd=tmp_path / "release", capture_output=True, text=True)
    assert str(tmp_path / "release/blog/__pycache__") in ran.stdout
    assert f'File "{tmp_path}/release/blog/views.py", line 1' in ran.stderr


def test_file_that_is_no_python_is_left_alone(tmp_path):
    layout = make_slug(
        tmp_path / "s", {"bad.py": "def (", "nul.py": "\0", "good.py": "x = 1", "two\nlines.py": "x = 1"}
    )
    assert compile_all(layout.source) == 4
    assert sorted(os.listdir(layout.source / "__pycache__")) == sorted([f"good.{TAG}.pyc", f"two\nlines.{TAG}.pyc"])


def test_many_files_are_compiled_by_several_processes(tmp_path):
    layout = make_slug(tmp_path / "s", {f"m{n}.py": f"x = {n}" for n in range(150)})
    compile_all(layout.source)
    assert len(os.listdir(layout.source / "__pycache__")) == 150


def test_stale_bytecode_that_was_committed_is_replaced(tmp_path):
    layout = make_slug(tmp_path / "s", {"a.py": "x = 'new'"})
    (layout.source / "__pycache__").mkdir()
    (layout.source / f"__pycache__/a.{TAG}.pyc").write_bytes(b"stale")
    compile_all(layout.source)
    assert b"new" in (layout.source / f"__pycache__/a.{TAG}.pyc").read_bytes()


def test_bytecode_of_the_same_file_is_linked(tmp_path):
    old, new = (
        make_slug(tmp_path / "1", {"a.py": "x = 1", "b.py": "x = 1"}),
        make_slug(tmp_path / "2", {"b.py": "x = 2"}),
    )
    os.link(old.source / "a.py", new.source / "a.py")
    compile_all(old.source)
    compilations = list(list_compilations(new.source, TAG))
    rest = reuse_bytecode(compilations, find_same_file(new.source, old.source))
    assert [c.source.name for c in rest] == ["b.py"]
    name = f"__pycache__/a.{TAG}.pyc"
    assert (new.source / name).samefile(old.source / name)


def test_links_and_packages_of_node_are_not_compiled(tmp_path):
    layout = make_slug(tmp_path / "s", {"a.py": "", "node_modules/x.py": "", ".git/x.py": ""})
    (layout.source / "l.py").symlink_to("a.py")
    assert [c.source.name for c in list_compilations(layout.source, TAG)] == ["a.py"]
