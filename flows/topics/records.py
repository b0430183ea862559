"""The records the delivery flow writes: facts, retries and dead letters."""

from flows.topics.interface import DEAD_LETTERS, OUTCOMES
from flows.topics.sink import Output
from model.delivery.delivery import Delivery
from model.delivery.retry_tiers import next_rung
from model.events.envelope import seal
from model.recording.facts import Fact, Outcome, encode


def fact(key: bytes, said: Fact) -> Output:
    """A fact for topic outcomes; the facts of one delivery share a key and so stay in order."""
    return Output(OUTCOMES, key, encode(said))


def retry(delivery: Delivery, now_ms: int) -> Output:
    """A delivery for the rung that what remains of its wait asks for."""
    rung = next_rung(delivery.due_at_ms - now_ms, delivery.due_at_ms - delivery.waits_from_ms)
    return Output(rung.topic, delivery.delivery_id.encode(), delivery.to_record())


def dead_letter(payload: bytes, key: bytes, code: str, message: str) -> Output:
    """Bytes nobody could use, for a person to look at."""
    return Output(DEAD_LETTERS, key, seal({"code": code, "message": message}, payload))


def undelivered(delivery: Delivery, outcome: Outcome) -> Output:
    """A delivery that ended discarded or expired, whole, for redrive."""
    header = {"code": outcome.code, "state": outcome.state, "at_ms": outcome.at_ms}
    return Output(DEAD_LETTERS, delivery.delivery_id.encode(), seal(header, delivery.to_record()))
