"""A test that was left out for want of a package is seen by whoever demands all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = """
import pytest

@pytest.fixture
def server():
    pytest.skip("needs Debian's package nginx-light")

def test_in_fixture(server):
    pass

def test_in_itself():
    pytest.skip("needs Debian's package apache2")

def test_elsewhere():
    pytest.skip("needs two disks")
"""


@pytest.mark.parametrize(
    ("demands", "outcome"), [({}, "3 skipped"), ({"TOPPCLOUD_TESTS_NEED_ALL_PACKAGES": "1"}, "1 skipped")]
)
def test_missing_package_fails_where_all_are_demanded(tmp_path, demands, outcome):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_packages.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TOPPCLOUD"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env=environment | demands,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert outcome in done.stdout
    assert (done.returncode != 0) == bool(demands)
    assert not demands or ("was left out" in done.stdout and "apache2" in done.stdout)
