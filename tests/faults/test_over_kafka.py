"""The main job over Apache Kafka: what is shown of SQLite elsewhere, and what only brokers can do to it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from tests.faults.test_kill import EVENTS, kill_while_delivering
from tests.kit.cluster import Cluster, assert_all_arrived, cluster, plain_events
from tests.kit.kafka.access import allow_everything, deny_writing
from tests.kit.kafka.broker import Broker
from tests.kit.kafka.fixture import OtherBroker
from tests.kit.system import wait_until

SOME = 1_000


@contextmanager
def kafka_cluster(directory: Path, broker: Broker | OtherBroker) -> Iterator[Cluster]:
    """A cluster whose topics are at the broker, under a prefix of their own."""
    url = f"kafka://{broker.address}/test-{secrets.token_hex(8)}"
    with cluster(directory, {"crm": "/healthy"}, more=f"topics: {{url: '{url}'}}") as made:
        yield made


def test_kafka_a_clean_run_delivers_each_event_once(tmp_path: Path, kafka: Broker | OtherBroker) -> None:
    with kafka_cluster(tmp_path, kafka) as made:
        made.start("recording")
        made.start("delivery")
        made.send(plain_events(SOME))
        tally, _ = assert_all_arrived(made, SOME)
        assert tally["calls"] == SOME and made.retry_records() == 0


@pytest.mark.slow
@pytest.mark.parametrize("flow", ["delivery", "recording"])
def test_kafka_nothing_is_lost_when_a_flow_is_killed_five_times(
    tmp_path: Path, kafka: Broker | OtherBroker, flow: str
) -> None:
    with kafka_cluster(tmp_path, kafka) as made:
        kill_while_delivering(made, flow)
        assert_all_arrived(made, EVENTS)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_kafka_nothing_is_lost_when_the_broker_goes_away_under_load(
    tmp_path: Path, own_kafka: Broker, how: str
) -> None:
    with kafka_cluster(tmp_path, own_kafka) as made:
        made.start("recording")
        made.start("delivery")
        for number in range(3):
            made.send(plain_events(SOME, first=number * SOME))
            made.wait_for("healthy", {"calls": number * SOME + SOME // 3})
            getattr(own_kafka, how)()
            own_kafka.start()
        assert_all_arrived(made, 3 * SOME)


@pytest.mark.slow
@pytest.mark.parametrize("topic", ["outcomes", "retries.1s"])
def test_kafka_records_that_a_broker_refuses_are_appended_when_it_takes_them_again(
    tmp_path: Path, own_kafka: Broker, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    """Through TLS and SASL, as the user to whom the access lists apply."""
    prefix = f"test-{secrets.token_hex(8)}"
    settings = {**own_kafka.secure_settings, "sasl.password": "${BROKER_PASSWORD}"}
    monkeypatch.setenv("BROKER_PASSWORD", own_kafka.secure_settings["sasl.password"])
    topics = {"url": f"kafka://{own_kafka.secure_address}/{prefix}", "kafka": settings}
    destinations = {"crm": "/scripted"}
    events = plain_events(SOME)
    for event in events[::10]:
        event["properties"]["script"] = [503, 200]
    with cluster(tmp_path, destinations, more=f"topics: {orjson.dumps(topics).decode()}") as made:
        made.start("recording")
        made.start("delivery")
        made.send(events[: SOME // 2])
        deny_writing(own_kafka.address, f"{prefix}.{topic}")
        made.send(events[SOME // 2 :])
        wait_until(lambda: "TOPIC_AUTHORIZATION_FAILED" in made.log_of("delivery"), 30, "refused")
        allow_everything(own_kafka.address, f"{prefix}.{topic}")
        made.wait_for("scripted", {"delivered_keys": SOME})
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    assert numbers["balance"]["delivered"] == numbers["balance"]["routed"] == SOME
    assert numbers["balance"]["unexplained"] == 0
    assert numbers["metrics"]["delivered"] == SOME
