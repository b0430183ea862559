"""Shows what would happen to an event on every connection of its source. Nothing is sent, counted, sampled or stored;
insert functions do run, in their process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from flows.delivery.samples import show_request
from flows.delivery.sender import BatchSender
from flows.workspace.compiled import CompiledWorkspace
from model.delivery.attempt import AttemptResult
from model.delivery.delivery import Delivery
from model.events.event import Event
from model.http.failure import FailureClass
from model.recording.facts import State
from model.redaction.redactor import Redactor
from model.routing.routing import CompiledConnection, RouteResult, route

_STATES = {
    FailureClass.FILTER: "filtered",
    FailureClass.DISCARD: "discarded",
    FailureClass.RETRY: "retried",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunResult:
    """One delivery that the event would make. Everything is redacted.

    ``state``: sent, filtered, discarded or retried (the insert function raised RetryEvent). ``rule``: the deciding
    filter or mapping. ``stripped``: filters dropped or changed fields. ``function``: the insert function that ran.
    """

    destination: str
    mapping: str
    state: str
    code: str = ""
    message: str = ""
    stripped: bool = False
    function: str = ""
    request: dict[str, Any] | None = None


def deliveries_of(
    plan: CompiledConnection, event: Event, redactor: Redactor, now_ms: int, identity: str
) -> Iterator[tuple[RouteResult, Delivery]]:
    """The deliveries of an event without a log position, as routing makes them."""
    for number, routed in enumerate(route(plan, event.body, event.payload, identity)):
        yield (
            routed,
            Delivery(
                delivery_id=f"{identity}-{number}",
                source=event.source,
                destination=plan.destination,
                mapping=routed.mapping,
                message_id=event.message_id,
                event_type=event.type,
                event_name=redactor.text(event.name),
                app_version=redactor.text(event.app_version),
                events_partition=-1,
                events_offset=-1,
                received_at_ms=now_ms,
                taken_at_ms=now_ms,
                due_at_ms=now_ms,
                event=routed.event,
            ),
        )


async def explain(
    configuration: CompiledWorkspace, sender: BatchSender, event: Event, now_ms: int
) -> list[DryRunResult]:
    """Explain an event, connection by connection."""
    explained = []
    for plan in configuration.routes.get(event.source, ()):
        for routed, delivery in deliveries_of(
            plan, event, configuration.redactor, now_ms, f"explain-{event.message_id}"
        ):
            explained.append(await _explain_one(configuration, sender, event, routed, delivery))
    return explained


async def _explain_one(
    configuration: CompiledWorkspace, sender: BatchSender, event: Event, routed: RouteResult, delivery: Delivery
) -> DryRunResult:
    redactor = configuration.redactor
    names: dict[str, Any] = {"destination": delivery.destination, "mapping": delivery.mapping}
    if routed.state is not None:
        state = "filtered" if routed.state is State.FILTERED else "discarded"
        return DryRunResult(**names, state=state, code=routed.code, message=redactor.text(routed.message))
    stripped = routed.event is not event.payload
    function = configuration.functions.get((delivery.source, delivery.destination))
    handler = function.handler if function else ""
    _, made = await sender.rehearse(replace(delivery, inserted=False))
    if isinstance(made, AttemptResult):
        refused: dict[str, Any] = {"state": _STATES[made.failure], "code": made.code, "message": made.message}
        return DryRunResult(**names, **refused, stripped=stripped, function=handler)
    request = show_request(made, redactor)
    return DryRunResult(**names, state="sent", stripped=stripped, function=handler, request=request)
