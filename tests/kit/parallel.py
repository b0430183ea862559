"""How tests are shared out when pytest has several workers (pytest-xdist, ``-n``).

A worker takes whole files, so what a module starts is started once. Tests with the marker `xdist_group` leave their
file: all of a group run on one worker. What takes long comes first, so that no worker is alone with it at the end.
"""

import os
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

SHORT = ("tests/model/", "tests/sinks/", "tests/flows/", "tests/console/")


class ByFile(LoadGroupScheduling):  # type: ignore[misc]
    """Groups are units of work, and so are the files of all other tests."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return scope.partition("::")[0] if scope == nodeid else scope


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the broker to one worker."""
    for item in items:
        if _needs_the_broker(item):
            item.add_marker(pytest.mark.xdist_group("kafka"))
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: (not _needs_the_broker(item), item.nodeid.startswith(SHORT)))


def _needs_the_broker(item: pytest.Item) -> bool:
    wanted = set(getattr(item, "fixturenames", ()))
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return not wanted.isdisjoint({"kafka", "own_kafka"}) or "kafka" in parameters
