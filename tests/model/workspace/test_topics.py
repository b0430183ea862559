"""Where topics are, and what may be said to brokers."""

import pytest

from tests.kit.workspace_sample import ENVIRON, SHOP, only, read, valid

KAFKA = "topics: {url: 'kafka://one:9092,two:9092/shop', replication: 3, kafka: {%s}}"
SECRET = "security.protocol: SASL_SSL, sasl.username: waybill, sasl.password: '${BROKER_PASSWORD}'"


def test_settings_reach_the_client_library_with_their_secrets_and_the_schema_of_nobody_else() -> None:
    workspace = read(SHOP + KAFKA % SECRET, {**ENVIRON, "BROKER_PASSWORD": "t0p-secret"}).workspace
    assert workspace is not None and workspace.topics.on_kafka
    assert workspace.topics.kafka_settings() == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "waybill",
        "sasl.password": "t0p-secret",
    }
    assert "t0p-secret" in workspace.secret_values()
    assert "t0p-secret" not in repr(workspace) and "t0p-secret" not in workspace.model_dump_json()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (KAFKA % "acks: 1", "not for choosing"),
        (KAFKA % "enable.idempotence: false", "not for choosing"),
        (KAFKA % "sasl.password: hunter22", "secret written in the file"),
        (KAFKA % "ssl.key.pem: hunter22", "secret written in the file"),
        ("topics: {url: 'kafka://one:9092', fsync: true}", "for topics on SQLite"),
        ("topics: {replication: 3}", "for topics on Kafka"),
        ("topics: {url: 'sqlite:///topics', kafka: {client.id: x}}", "for topics on Kafka"),
        ("topics: {url: 'kafka://one:9092'}\ndisk: {topics_budget_bytes: 99999999}", "brokers' disks"),
        ("store: {cluster: main}", "only a ClickHouse server has clusters"),
        ("store: {url: 'chdb:///store', cluster: main}", "only a ClickHouse server has clusters"),
    ],
)
def test_what_cannot_be_set_is_named_with_its_place(text: str, words: str) -> None:
    assert words in str(only(SHOP + text))


def test_a_cluster_of_a_server_and_brokers_with_ipv6_addresses_are_taken() -> None:
    text = "store: {url: 'http://clickhouse:8123', cluster: main}\ntopics: {url: 'kafka://[::1]:9092'}"
    workspace = valid(SHOP + text)
    assert workspace.store.cluster == "main" and workspace.topics.url == "kafka://[::1]:9092"
