"""In CI a test that was skipped is a test that did not run: WAYBILL_TEST_NO_SKIP=1 makes that a failure."""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.chdb import chdb as chdb
from tests.kit.chdb import open_chdb as open_chdb
from tests.kit.kafka.fixture import kafka as kafka
from tests.kit.kafka.fixture import own_kafka as own_kafka

# How long an example takes depends on the machine's neighbours; what a test claims does not.
settings.register_profile("waybill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("waybill")

_skipped: dict[str, str] = {}  # why, by test


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped[report.nodeid] = (
            report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else report.longreprtext
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if something that should have run did not."""
    if _skipped and os.environ.get("WAYBILL_TEST_NO_SKIP") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which; where it is allowed, only how many and what it would take to run them."""
    if _skipped and os.environ.get("WAYBILL_TEST_NO_SKIP") == "1":
        terminalreporter.write_line("Skipped where nothing may be skipped:", red=True)
        for nodeid, reason in _skipped.items():
            terminalreporter.write_line(f"  {nodeid}: {reason}")
    else:
        for reason, count in Counter(_skipped.values()).items():
            terminalreporter.write_line(f"skipped {count}: {reason}")
