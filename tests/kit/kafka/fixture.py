"""The fixtures of everything that is tested over Apache Kafka: one broker per test run, started by whoever is first."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kit.kafka.broker import Broker
from tests.kit.kafka.install import CannotInstall, find_java, install


@dataclass(frozen=True, slots=True)
class OtherBroker:
    """A broker that is not ours to stop: WAYBILL_TEST_KAFKA=host:port."""

    address: str


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker | OtherBroker]:
    """A broker with an ``address``. Others use it too: topics need names of their own."""
    other = os.environ.get("WAYBILL_TEST_KAFKA")
    if other:
        yield OtherBroker(other)
        return
    try:
        broker = Broker(tmp_path_factory.mktemp("kafka"), find_java(), install())
    except CannotInstall as reason:
        pytest.skip(str(reason))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def own_kafka(kafka: Broker | OtherBroker) -> Iterator[Broker]:
    """The same, for tests that stop it or that need its secure listener; it runs again after them."""
    if isinstance(kafka, OtherBroker):
        pytest.skip("WAYBILL_TEST_KAFKA is not ours to stop: unset it to run this test")
    yield kafka
    if not kafka.running:
        kafka.start()
