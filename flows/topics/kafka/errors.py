"""Converts librdkafka's errors to `TopicError`s that name the topic and the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from flows.topics.interface import TopicError, TopicsUnavailable, UnknownTopic

_NO_BROKER = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE}
# Temporary: librdkafka retries by itself.
PASSING = _NO_BROKER | {
    KafkaError._DESTROY_BROKER,  # the broker at this address has changed
    KafkaError._NODE_UPDATE,
    KafkaError._FAIL,
    KafkaError._RETRY,
    KafkaError._WAIT_CACHE,
    KafkaError._WAIT_COORD,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._UNKNOWN_BROKER,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.REBOOTSTRAP_REQUIRED,
}
_LOGIN = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL}
_DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}
UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}


def kafka_error(error: KafkaException | KafkaError) -> KafkaError:
    """The `KafkaError` itself; exceptions carry it as their argument."""
    found: KafkaError = error.args[0] if isinstance(error, KafkaException) else error
    return found


def remedy(error: KafkaError) -> str:
    """What a person can do about the error; '' if there is no general advice."""
    code = error.code()
    if code in _NO_BROKER:
        return "check topics.url, the brokers and the network"
    if code in _LOGIN:
        return "check the security.*, sasl.* and ssl.* settings in topics.kafka"
    if code in _DENIED:
        return "allow Waybill's user to read, write, create and describe its topics"
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return "raise max.message.bytes of the topic"
    return ""


def to_topic_error(error: KafkaException | KafkaError, what: str) -> TopicError:
    """Create a `TopicError` that says what failed, why, and the remedy."""
    found = kafka_error(error)
    if found.code() in UNKNOWN:
        return UnknownTopic(f"{what}: the brokers have no such topic or partition: it must be created first")
    advice = remedy(found)
    kind = TopicsUnavailable if found.code() in PASSING else TopicError
    return kind(f"{what}: {found.str()} ({found.name()})" + (f"; {advice}" if advice else ""))


@contextmanager
def topic_errors(what: str) -> Iterator[None]:
    """Raise librdkafka's errors as `TopicError`s."""
    try:
        yield
    except KafkaException as error:
        raise to_topic_error(error, what) from None
