import os

import pytest

from buildpacks.python_version_files import (
    PythonVersionFiles,
    is_misspelt,
    list_warnings,
    parse_version_file,
    read_python_version_files,
    refuse_misspelt,
)
from toppcloud.errors import ToppcloudError


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (b"3.12\n", "3.12"),
        (b"3.12.7\r\n", "3.12.7"),
        (b"3.12\r", "3.12"),
        (b"# ours\n\n \t # indented\n  3.12  # pinned\n\n", "3.12"),
        (b"python-3.11.9", "3.11.9"),
        (b"3.12.*", "3.12"),
    ],
)
def test_version_file_is_read(content, version):
    assert parse_version_file(content, ".python-version") == version


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"# only\n  # comments\n"])
def test_file_without_a_version_is_told_so(content):
    with pytest.raises(ToppcloudError) as refused:
        parse_version_file(content, ".python-version")
    assert refused.value.what == ".python-version names no version of Python."
    assert refused.value.cure == "echo 3.14 > .python-version"


def test_several_versions_are_all_named():
    with pytest.raises(ToppcloudError) as refused:
        parse_version_file(b"# ours\n3.12\n  \n  2.7  \n", ".python-version")
    assert refused.value.what == ".python-version names 2 versions of Python: 3.12, 2.7."


def test_of_several_lines_the_one_that_is_no_version_is_told_first():
    with pytest.raises(ToppcloudError, match="asks for 'latest'"):
        parse_version_file(b"3.12\nlatest\n", ".python-version")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("3.12\n".encode("utf-8-sig"), "byte order mark"),
        ("3.12\n".encode("utf-16"), "UTF-16"),
        ("3.12\n".encode("utf-16-be"), "UTF-16"),
        ("3.12\n".encode("utf-16-le"), "UTF-16"),
        ("3.12\n".encode("utf-32"), "UTF-32"),
        ("# für uns\n3.12\n".encode("latin-1"), "another encoding than UTF-8"),
    ],
)
def test_encoding_that_nobody_else_would_read_is_named(content, named):
    with pytest.raises(ToppcloudError) as refused:
        parse_version_file(content, ".python-version")
    assert named in refused.value.what
    assert "echo 3.14 > .python-version" in refused.value.cure
    assert refused.value.reason == "unsupported text encoding"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("\u200b3.12", "<U+200B>3.12"),
        ("3.12\u00a0.1", "3.12<U+00A0>.1"),
        ("3.12\x1b[0m", "3.12<U+001B>[0m"),
        ("3.12\x00", "3.12<U+0000>"),
        ("\u2060python-3.12.0\ufeff", "<U+2060>python-3.12.0<U+FEFF>"),
    ],
)
def test_character_that_cannot_be_seen_is_shown(content, shown):
    with pytest.raises(ToppcloudError) as refused:
        parse_version_file(content.encode(), "runtime.txt")
    assert refused.value.what == f"runtime.txt holds a character that cannot be seen: '{shown}'."
    assert refused.value.cure.endswith("echo python-3.14 > runtime.txt")


def test_files_of_a_project_are_found(tmp_path):
    (tmp_path / "runtime.txt").write_bytes(b"python-3.12\n")
    (tmp_path / ".python-version ").write_bytes(b"3.12")
    (tmp_path / "Runtime.txt").write_bytes(b"python-3.12")
    (tmp_path / "python-version").mkdir()
    (tmp_path / ".python-version").symlink_to("/etc/hostname")
    files = read_python_version_files(tmp_path)
    assert files == PythonVersionFiles(b"python-3.12\n", None, (".python-version ",), ("Runtime.txt",))


def test_pipe_in_place_of_a_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / ".python-version")
    assert read_python_version_files(tmp_path) == PythonVersionFiles()


def test_huge_file_is_refused(tmp_path):
    (tmp_path / ".python-version").write_bytes(b"#" * 70_000)
    with pytest.raises(ToppcloudError, match="more than 64 KB"):
        read_python_version_files(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *(".python_version", ".python-version.txt", ".python-version.TXT", "python-version", "python_version.txt"),
        *(".Python-version", ".python.version", ".pythonversion", "'.python-version'", ".python-version "),
        *(". python-version", ",python-version", "python-version.", ".python-version.rtf", ".python-version.py"),
    ],
)
def test_misspelt_name_is_refused_with_the_line_that_renames_it(name):
    assert is_misspelt(name)
    with pytest.raises(ToppcloudError) as refused:
        refuse_misspelt(PythonVersionFiles(misspelt=(name,)))
    assert refused.value.what == f"'{name}' is a misspelt .python-version."
    assert refused.value.cure.startswith("git mv -- '")
    assert refused.value.cure.endswith("' .python-version")


def test_misspelt_one_beside_the_right_one_is_to_go():
    with pytest.raises(ToppcloudError) as refused:
        refuse_misspelt(PythonVersionFiles(python_version=b"3.12", misspelt=(".python-version ",)))
    assert refused.value.cure == "git rm -- '.python-version '"


@pytest.mark.parametrize("name", [".python-version", "python_version.py", ".python-version.example", "pythons.txt"])
def test_other_names_are_no_misspelling(name):
    assert not is_misspelt(name)


@pytest.mark.parametrize("name", ["Runtime.txt", "runtime.text", ".runtime.txt", "run-time.txt", "runtimes.txt"])
def test_misspelt_runtime_txt_is_warned_of(tmp_path, name):
    (tmp_path / name).write_text("python-3.12\n")
    (warning,) = list_warnings(read_python_version_files(tmp_path))
    assert warning == f"'{name}' is not read: the name is runtime.txt.\ngit mv -- '{name}' runtime.txt"


def test_two_files_that_disagree_are_told_apart():
    (warning,) = list_warnings(PythonVersionFiles(b"  python-3.13  \n", b"# no\n3.9\n"))
    assert warning.startswith("runtime.txt says 3.13 and .python-version 3.9: runtime.txt counts.")
    (warning,) = list_warnings(PythonVersionFiles(b"python-3.13", b"latest"))
    assert ".python-version something else" in warning


def test_two_files_that_agree_are_no_matter():
    assert list_warnings(PythonVersionFiles(b"python-3.13", b"3.13\n")) == ()
