"""Turns the result of a delivery, or the end of its wait, into facts, samples, retry records and dead letters."""

from msgspec.structs import replace

from flows.delivery.circuit import CircuitChange
from flows.delivery.context import ShardContext
from flows.delivery.isolation import DeliveryResult
from flows.delivery.queue import QueuedDelivery, Requeue
from flows.delivery.samples import sample
from flows.topics.records import fact, retry, undelivered
from flows.topics.sink import OutgoingRecord
from model.delivery.attempt import decide
from model.delivery.delivery import Delivery
from model.delivery.error_groups import ErrorGroups
from model.http.failure import FailureClass
from model.recording.facts import DestinationState, Requeued, State


def apply_result(
    context: ShardContext, groups: ErrorGroups, queued: QueuedDelivery, result: DeliveryResult
) -> list[OutgoingRecord]:
    """A delivery was sent: record its outcome, or the failed attempt and a retry."""
    answer = result.answer
    delivery = replace(
        result.delivery,
        calls=result.delivery.calls + answer.called,
        calls_ms=result.delivery.calls_ms + result.calls_ms,
        limit_wait_ms=result.delivery.limit_wait_ms + queued.blocked_ms,
    )
    group = ""
    if answer.failure not in {FailureClass.DELIVERED, FailureClass.FILTER}:
        group = groups.group(delivery.source, delivery.destination, answer.code, answer.message, result.finished_ms)
    end = decide(
        delivery,
        answer,
        context.configuration().policy,
        now_ms=result.finished_ms,
        run=context.run,
        random=context.random,
        error_group=group,
    )
    outputs = sample(context, delivery, result, end)
    key = delivery.delivery_id.encode()
    if end.outcome is not None:
        if end.outcome.state in {State.DISCARDED, State.EXPIRED}:
            outputs.append(undelivered(delivery, end.outcome))
        outputs.append(fact(key, end.outcome))
    elif end.retry is not None and end.attempt_failed is not None:
        outputs.append(fact(key, end.attempt_failed))
        outputs.append(retry(end.retry, context.clock()))
    return outputs


def returned(queued: QueuedDelivery, result: DeliveryResult) -> Delivery:
    """A delivery that the response did not cover: only the time spent is counted, no attempt."""
    return replace(
        result.delivery,
        calls_ms=result.delivery.calls_ms + result.calls_ms,
        limit_wait_ms=result.delivery.limit_wait_ms + queued.blocked_ms,
    )


def requeue(context: ShardContext, back: Requeue, now_ms: int, reason: str) -> list[OutgoingRecord]:
    """Move a queued delivery to a retry topic unsent, or expire it if its retry window has ended.

    ``reason``: why its circuit lets no calls through, if that is so.
    """
    delivery = back.queued.delivery
    delivery = replace(delivery, limit_wait_ms=delivery.limit_wait_ms + back.queued.blocked_ms)
    window_end_ms = context.configuration().policy.window_end_ms(delivery.taken_at_ms)
    if now_ms >= window_end_ms:  # the window ended while the destination accepted no calls
        return _expired(context, delivery, now_ms, reason)
    delivery = delivery.waiting(from_ms=now_ms, until_ms=min(back.due_at_ms, window_end_ms), wait=back.wait)
    requeued = Requeued(
        **delivery.about(),
        at_ms=now_ms,
        run=context.run,
        attempt=delivery.calls,
        code=back.code,
        due_at_ms=delivery.due_at_ms,
    )
    return [fact(delivery.delivery_id.encode(), requeued), retry(delivery, now_ms)]


def _expired(context: ShardContext, delivery: Delivery, now_ms: int, reason: str) -> list[OutgoingRecord]:
    code, message = (delivery.code, delivery.message) if delivery.code else ("NEVER_ATTEMPTED", reason)
    outcome = delivery.end(State.EXPIRED, at_ms=now_ms, run=context.run, code=code, message=message)
    return [undelivered(delivery, outcome), fact(delivery.delivery_id.encode(), outcome)]


def no_longer_sent(context: ShardContext, delivery: Delivery, code: str) -> list[OutgoingRecord]:
    """Discard a delivery whose connection was removed or disabled, after keeping it for the configured time."""
    outcome = delivery.end(State.DISCARDED, at_ms=context.clock(), run=context.run, code=code)
    return [undelivered(delivery, outcome), fact(delivery.delivery_id.encode(), outcome)]


def state_change(context: ShardContext, destination: str, change: CircuitChange, now_ms: int) -> OutgoingRecord:
    """The fact that a destination's circuit changed state."""
    state = DestinationState(
        at_ms=now_ms,
        run=context.run,
        destination=destination,
        state=change.state,
        code=change.code,
        message=change.message,
        until_ms=change.until_ms,
    )
    return fact(destination.encode(), state)
