import pytest
from confluent_kafka import KafkaError, KafkaException

from flows.topics.interface import TopicsUnavailable, UnknownTopic
from flows.topics.kafka.errors import to_topic_error


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,  # a broker killed while it is asked, and another one started at its address
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_ENOUGH_REPLICAS,
    ],
)
def test_what_passes_by_itself_is_brokers_that_are_away(code: int) -> None:
    assert isinstance(to_topic_error(KafkaException(KafkaError(code)), "asking"), TopicsUnavailable)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (KafkaError.SASL_AUTHENTICATION_FAILED, "topics.kafka"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "allow Waybill's user"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "max.message.bytes"),
    ],
)
def test_what_a_person_must_mend_names_the_remedy(code: int, remedy: str) -> None:
    error = to_topic_error(KafkaError(code), "appending to topics")
    assert not isinstance(error, TopicsUnavailable)
    assert remedy in str(error) and str(error).startswith("appending to topics: ")


def test_a_topic_that_is_not_there_must_be_created() -> None:
    assert isinstance(
        to_topic_error(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), "reading topic events"), UnknownTopic
    )
