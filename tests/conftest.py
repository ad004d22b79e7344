"""What a whole run of the tests promises: nothing is left out for want of a package where it could be installed."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

DEMANDED = "TOPPCLOUD_TESTS_NEED_ALL_PACKAGES"
"""Set by .ci/run: a skip that names a missing package is a failure then."""
_REASON = "needs Debian's package"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return refuse_missing_package((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return refuse_missing_package((yield))


def refuse_missing_package(report: Any) -> Any:
    """A skip such as `needs Debian's package nginx-light` becomes a failure, where all packages ought to be there."""
    if report.skipped and os.environ.get(DEMANDED) and _REASON in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was left out: {report.longrepr[-1]}"
    return report
