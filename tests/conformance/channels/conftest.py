"""What the channels are tested against: a receiver on loopback, and the calls that reach it."""

from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from sinks.channels.calls import ChannelCalls
from tests.kit.http_receiver import Receiver, receiving


@pytest.fixture(scope="module")
def calls() -> Iterator[ChannelCalls]:
    opened = ChannelCalls([ip_network("127.0.0.0/8")])
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server
