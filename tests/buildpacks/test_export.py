import os
import stat
from pathlib import Path

import pytest
from dulwich.objects import Tree

from buildpacks.export import DEEPEST, export_tree
from toppcloud.errors import ToppcloudError


def export(repository, files, target):
    return export_tree(repository.store, repository.tree(files), target)


def test_files_links_and_modes_arrive(repository, tmp_path):
    files = {"a.py": "x", "bin/run": (0o100755, "#!"), "l": (0o120000, "bin/run"), "bin/up": (0o120000, "../a.py")}
    exported = export(repository, files, tmp_path / "source")
    source = tmp_path / "source"
    assert exported.files == 4
    assert (source / "a.py").read_text() == "x"
    assert stat.S_IMODE((source / "a.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((source / "bin/run").stat().st_mode) == 0o755
    assert os.readlink(source / "l") == "bin/run"
    assert (source / "bin/up").read_text() == "x"


def test_odd_modes_become_plain_ones(repository, tmp_path):
    export(repository, {"suid": (0o104755, "x"), "group": (0o100664, "x")}, tmp_path / "source")
    assert stat.S_IMODE((tmp_path / "source/suid").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "source/group").stat().st_mode) == 0o644


def test_files_are_out_of_reach_of_pushed_code(repository, folder):
    export_tree(repository.store, repository.tree({"a/b": "x"}), folder / "source")
    assert {p.stat().st_uid for p in folder.glob("source/**/*")} == {os.geteuid()}


def test_name_with_newline_and_bytes_that_are_no_text(repository, tmp_path):
    export(repository, {"two\nlines": "x", b"caf\xe9": "y"}, tmp_path / "source")
    assert sorted(os.listdir(os.fsencode(tmp_path / "source"))) == [b"caf\xe9", b"two\nlines"]


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../../outside", "a/../../../outside", "../..", "", "inner/back/../../outside", "hop/../outside"],
)
def test_outward_link_is_refused_and_named(repository, tmp_path, target):
    hops = {"deep/hop": (0o120000, ".."), "deep/inner/back": (0o120000, "..")}
    with pytest.raises(ToppcloudError) as refused:
        export(repository, {"deep/l\nink": (0o120000, target), "x": "x", **hops}, tmp_path / "source")
    assert "deep/l\\nink" in refused.value.what
    assert refused.value.reason == "link leads outside"
    assert list(tmp_path.iterdir()) == []


def test_all_outward_links_are_named_at_once(repository, tmp_path):
    links = {f"l{number:02}": (0o120000, "../x") for number in range(12)}
    with pytest.raises(ToppcloudError) as refused:
        export(repository, links, tmp_path / "source")
    assert "l01, l02" in refused.value.why and refused.value.why.endswith("l09 and 2 more")
    assert "git rm l00 l01 l02" in refused.value.cure


def test_link_through_another_link_out_of_the_tree_is_refused(repository, tmp_path):
    files = {"a/b/up": (0o120000, "../.."), "a/b/out": (0o120000, "up/../etc")}
    with pytest.raises(ToppcloudError, match="a/b/out"):
        export(repository, files, tmp_path / "source")


def test_link_loop_and_dangling_link_stay(repository, tmp_path):
    export(repository, {"a": (0o120000, "b"), "b": (0o120000, "a"), "c": (0o120000, "none")}, tmp_path / "source")
    assert len(os.listdir(tmp_path / "source")) == 3


def test_submodules_are_named_and_left_empty(repository, tmp_path):
    top = Tree()
    top.add(b"lib", 0o160000, b"1" * 40)
    repository.store.add_object(top)
    exported = export_tree(repository.store, top.id, tmp_path / "source")
    assert exported.submodules == ("lib",)
    assert list((tmp_path / "source/lib").iterdir()) == []


def raw_tree(repository, *entries):
    tree = Tree.from_string(
        b"".join(b"%o %s\0" % (mode, name) + bytes.fromhex(i.decode()) for mode, name, i in entries)
    )
    repository.store.add_object(tree)
    return tree.id


@pytest.mark.parametrize("name", [b".", b"..", b".git", b".GIT", b"../evil", b"a/b"])
def test_name_that_leads_elsewhere_is_refused(repository, tmp_path, name):
    inner = repository.tree({"x": "x"})
    for mode in (0o40000, 0o100644):
        top = raw_tree(repository, (mode, name, inner))
        with pytest.raises(ToppcloudError, match="cannot be written"):
            export_tree(repository.store, top, tmp_path / "source")
        assert list(tmp_path.iterdir()) == []


def test_link_and_folder_of_one_name_are_refused(repository, tmp_path):
    inner = repository.tree({"x": "x"})
    (link,) = [e.sha for e in repository.store[repository.tree({"l": (0o120000, ".")})].iteritems()]
    top = raw_tree(repository, (0o120000, b"a", link), (0o40000, b"a", inner))
    with pytest.raises(ToppcloudError, match="a cannot be written"):
        export_tree(repository.store, top, tmp_path / "source")


def test_tree_of_endless_depth_is_refused(repository, tmp_path):
    tree_id = repository.tree({"x": "x"})
    for _ in range(DEEPEST + 5):
        tree_id = raw_tree(repository, (0o40000, b"d", tree_id))
    with pytest.raises(ToppcloudError) as refused:
        export_tree(repository.store, tree_id, tmp_path / "source")
    assert "too deep" in refused.value.why
    assert list(tmp_path.iterdir()) == []


def test_missing_blob_leaves_nothing(repository, tmp_path):
    good = repository.store[repository.tree({"a": "x"})]
    top = raw_tree(repository, (0o100644, b"a", good.items()[0].sha), (0o100644, b"z", b"1" * 40))
    with pytest.raises(ToppcloudError, match="z cannot be written"):
        export_tree(repository.store, top, tmp_path / "source")
    assert list(tmp_path.iterdir()) == []


def test_unfinished_export_of_a_killed_build_is_no_hindrance(repository, tmp_path):
    Path(tmp_path / "source.part/old").mkdir(parents=True)
    export(repository, {"a": "x"}, tmp_path / "source")
    assert os.listdir(tmp_path / "source") == ["a"]
