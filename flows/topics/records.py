"""The records the delivery flow writes: facts, retries and dead letters."""

from contextlib import closing

from flows.topics.interface import DEAD_LETTERS, OUTCOMES, Topics
from flows.topics.sink import OutgoingRecord
from model.delivery.delivery import Delivery
from model.delivery.retry_tiers import next_tier
from model.events.envelope import encode_record
from model.recording.facts import Fact, Outcome, encode


def fact(key: bytes, content: Fact) -> OutgoingRecord:
    """A fact for topic outcomes; the facts of one delivery share a key and so stay in order."""
    return OutgoingRecord(OUTCOMES, key, encode(content))


def retry(delivery: Delivery, now_ms: int) -> OutgoingRecord:
    """A delivery for the retry tier that matches the rest of its wait."""
    tier = next_tier(delivery.due_at_ms - now_ms, delivery.due_at_ms - delivery.waits_from_ms)
    return OutgoingRecord(tier.topic, delivery.delivery_id.encode(), delivery.to_record())


def dead_letter(payload: bytes, key: bytes, code: str, message: str) -> OutgoingRecord:
    """Bytes that could not be processed, for a person to inspect."""
    return OutgoingRecord(DEAD_LETTERS, key, encode_record({"code": code, "message": message}, payload))


def undelivered(delivery: Delivery, outcome: Outcome) -> OutgoingRecord:
    """The dead letter of a discarded or expired delivery, complete, so that it can be redriven."""
    header = {"code": outcome.code, "state": outcome.state, "at_ms": outcome.at_ms}
    return OutgoingRecord(DEAD_LETTERS, delivery.delivery_id.encode(), encode_record(header, delivery.to_record()))


def append_facts(topics: Topics, facts: list[Fact]) -> None:
    """Append facts to topic outcomes; durable on return. Raises `flows.topics.interface.TopicError`."""
    with closing(topics.producer()) as producer:
        for each in facts:
            producer.send(*fact(each.run.encode(), each))
        producer.flush()
