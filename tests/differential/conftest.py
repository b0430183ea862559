from collections.abc import Iterator

import pytest

from tests.differential.node import Reference, running_reference


@pytest.fixture(scope="session")
def reference() -> Iterator[Reference]:
    """Segment's own implementation."""
    with running_reference() as running:
        yield running
