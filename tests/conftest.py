"""In CI a test that was skipped is a test that did not run: WAYBILL_TEST_NO_SKIP=1 makes that a failure."""

import os

import pytest

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if something that should have run did not."""
    if _skipped and os.environ.get("WAYBILL_TEST_NO_SKIP") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which."""
    if _skipped and os.environ.get("WAYBILL_TEST_NO_SKIP") == "1":
        terminalreporter.write_line("Skipped where nothing may be skipped:", red=True)
        for nodeid in _skipped:
            terminalreporter.write_line(f"  {nodeid}")
