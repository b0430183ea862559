"""A test event: one event sent to one destination on request, with the sender of the delivery flow.

It is never retried, and not part of counts, latencies or circuit breakers: its facts have a separate kind. Filters and
the insert function are skipped unless requested; mapping triggers apply, because they decide what is sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from msgspec.structs import replace

from flows.delivery.isolation import DeliveryResult
from flows.delivery.samples import shown_request, shown_response
from flows.delivery.sender import BatchSender
from flows.operations.dry_run import deliveries_of
from flows.workspace.compiled import CompiledWorkspace
from model.delivery.delivery import Delivery
from model.events.event import Event
from model.events.ids import attempt_id
from model.http.failure import FailureClass
from model.recording.facts import Fact, Sample, Tested
from model.routing import routing

TEST = "test"  # state of a test event's sample
_STATES = {
    FailureClass.DELIVERED: "delivered",
    FailureClass.FILTER: "filtered",
    FailureClass.DISCARD: "discarded",
}


class CannotTest(ValueError):
    """There is nothing to send; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualSendPlan:
    """The deliveries of a test, and the rules that would have stopped a real event but were skipped."""

    deliveries: tuple[Delivery, ...]
    passed_by: tuple[str, ...]


def plan_manual_send(
    configuration: CompiledWorkspace,
    event: Event,
    destination: str,
    *,
    mapping: str,
    apply_filters: bool,
    apply_insert_function: bool,
    test_id: str,
    now_ms: int,
) -> ManualSendPlan:
    """Choose what to send. Raises `CannotTest`."""
    plan = configuration.plans.get((event.source, destination))
    if plan is None:
        raise CannotTest(f"there is no connection from {event.source} to a destination {destination!r}")
    passed_by = []
    [*as_routed] = routing.route(plan, event.body, event.payload, test_id)
    if not apply_filters:
        kept_out = as_routed[0]
        if kept_out.state is not None and kept_out.code != "NO_MATCHING_MAPPING":
            passed_by.append(f"{kept_out.code} {kept_out.message}".strip())
        elif kept_out.event is not event.payload:
            passed_by.append("filters would have removed fields")
        plan = routing.unfiltered(plan)
    function = configuration.functions.get((event.source, destination))
    if function is not None and not apply_insert_function:
        passed_by.append(f"insert function {function.handler} was not run")
    deliveries = []
    for routed, delivery in deliveries_of(plan, event, configuration.redactor, now_ms, test_id):
        if routed.state is not None:
            raise CannotTest(f"the event would not be sent: {routed.code} {routed.message}".strip())
        if mapping in {"", routed.mapping}:
            deliveries.append(replace(delivery, inserted=not apply_insert_function))
    if not deliveries:
        raise CannotTest(f"mapping {mapping!r} does not match this event")
    return ManualSendPlan(deliveries=tuple(deliveries), passed_by=tuple(passed_by))


async def send_manually(sender: BatchSender, plan: ManualSendPlan) -> list[DeliveryResult]:
    """Make the calls, one for each delivery."""
    return [(await sender.send([delivery])).deliveries[0] for delivery in plan.deliveries]


def state_of(result: DeliveryResult) -> str:
    """The state that a real delivery would have ended in."""
    return _STATES.get(result.answer.failure, "failed")


def facts_of(result: DeliveryResult, configuration: CompiledWorkspace, author: str, run: str) -> Iterator[Fact]:
    """The facts of one call of a test."""
    delivery = replace(result.delivery, calls=1)
    answer = result.answer
    common: dict[str, Any] = {
        **delivery.about(),
        "at_ms": result.finished_ms,
        "run": run,
        "attempt": 1,
        "code": answer.code,
        "message": answer.message,
    }
    status, http_ms = answer.http_status, answer.http_ms
    yield Tested(**common, author=author, state=state_of(result), http_status=status, http_ms=http_ms)
    redactor = configuration.redactor
    if configuration.workspace.redaction.payloads:
        yield Sample(
            **common,
            attempt_id=attempt_id(delivery.delivery_id, run, 1),
            state=TEST,
            event=redactor.json_bytes(delivery.event),
            request=orjson.dumps(shown_request(result, redactor)).decode(),
            response=orjson.dumps(shown_response(result, redactor)).decode(),
        )
