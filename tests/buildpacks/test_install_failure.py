import pytest

from buildpacks.install_failure import (
    explain_missing,
    find_missing,
    find_older_python,
    find_unreachable,
    list_repositories,
)


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'", "gdal-config"),
        ("src/blob.h:4:10: fatal error: sqlite3.h: No such file or directory", "sqlite3.h"),
        ("a.c:1:10: fatal error: 'openssl/ssl.h' file not found", "openssl/ssl.h"),
        ("Error: pg_config executable not found.", "pg_config"),
        ("/bin/sh: 1: mysql_config: not found", "mysql_config"),
        ("sh: pkg-config: command not found", "pkg-config"),
        ("error: command 'gcc' failed: No such file or directory", "gcc"),
        ("error: command '/usr/bin/x86_64-linux-gnu-gcc' failed: No such file or directory", "x86_64-linux-gnu-gcc"),
        ("unable to execute 'swig': No such file or directory", "swig"),
        ("/usr/bin/ld: cannot find -lpq", "pq"),
        ("error: can't find Rust compiler, cargo is required", "cargo"),
        ("RuntimeError: something else went wrong", None),
        ("No such file or directory: '/tmp/build/x.txt'", None),
    ],
)
def test_what_a_compiler_lacked_is_found_in_its_output(line, missing):
    assert find_missing(["building", line, "failed"]) == missing


def test_known_ones_are_told_with_the_package_of_debian():
    assert "apt install libgdal-dev" in explain_missing("gdal-config")[1]
    assert "header sqlite3.h" in explain_missing("sqlite3.h")[0]
    assert "install frobnicate" in explain_missing("frobnicate")[1]
    assert "apt install libpython3.11-dev" in explain_missing("python3.11")[1]


def test_packages_from_before_a_python_are_told_of_with_another_to_try():
    hint = "hint: You require CPython 3.14 (`cp314`), but we only found wheels for `psycopg-binary` (v3.1.18) with the "
    hint += "following Python ABI tags: `cp37m`, `cp38`, `cp311`, `cp312`"
    why, python = find_older_python([hint], "3.14.1")
    assert "psycopg-binary 3.1.18 comes compiled for Python 3.12 at most" in why and python == "3.12"
    assert find_older_python([hint], "3.12.1") is None
    failed = ["Building greenlet==3.0.1", "error: Failed to build `greenlet==3.0.1`"]
    why, python = find_older_python(failed, "3.14.1")
    assert "greenlet 3.0.1 could not be compiled" in why and python == "3.12"
    assert find_older_python(failed, "3.10.2") is None
    assert find_older_python(["error: No solution found"], "3.14.1") is None


@pytest.mark.parametrize(
    "text",
    [
        "x @ git+https://me:secret@git.example.com/me/x.git@1f3a\n",
        '{"x": {"git": "https://me:secret@git.example.com/me/x.git", "ref": "1"}}',
        'source = { git = "https://me:secret@git.example.com/me/x.git?rev=1#1f3a" }',
        '[package.source]\ntype = "git"\nurl = "https://me:secret@git.example.com/me/x.git"\n',
    ],
)
def test_repository_is_named_without_credentials(text):
    output = ["cause: Git operation failed", "fatal: unable to access 'https://git.example.com/me/x.git/'"]
    assert find_unreachable(output, text) == "https://git.example.com/me/x.git"
    assert find_unreachable(["Failed to build https://git.example.com/me/x.git"], text) is None


def test_repositories_are_told_once_each():
    text = "git+ssh://git@example.com/me/x@1\ngit+ssh://git@example.com/me/x@2\n"
    assert list_repositories(text) == ["ssh://git@example.com/me/x"]
