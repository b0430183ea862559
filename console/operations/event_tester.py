"""`waybill test-event`: one real call to one destination, shown first and confirmed; no count includes it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from console.access import Caller, audited
from console.operations.explain import http_lines, reason_lines, with_sender
from console.reports.render_parts import duration, safe_text
from flows.delivery.isolation import DeliveryResult
from flows.delivery.samples import show_request, shown_response
from flows.delivery.sender import BatchSender
from flows.engine.clock import wall_clock_ms
from flows.operations.manual_send import ManualSendPlan, facts_of, plan_manual_send, send_manually, state_of
from flows.topics.interface import Topics
from flows.topics.records import append_facts
from flows.workspace.compiled import CompiledWorkspace
from model.delivery.attempt import AttemptResult
from model.destinations.catalogue import reason
from model.events.event import Event
from model.http.messages import HttpRequest, HttpResponse
from model.workspace.permissions import Action

SAMPLE = {
    "type": "track",
    "event": "Waybill Test",
    "userId": "waybill-test-user",
    "properties": {"test": True, "total": 1.0, "currency": "EUR"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTest:
    """A test: where to send, what to apply, and who sends."""

    who: Caller
    destination: str
    mapping: str = ""
    apply_filters: bool = False
    apply_insert_function: bool = False


@dataclass(frozen=True, slots=True)
class EventTestResult:
    """``deliveries`` is empty when the person did not confirm."""

    plan: ManualSendPlan
    deliveries: tuple[DeliveryResult, ...]

    @property
    def delivered(self) -> bool:
        """Whether all calls were delivered."""
        return bool(self.deliveries) and all(state_of(one) == "delivered" for one in self.deliveries)


def run_event_test(
    configuration: CompiledWorkspace,
    topics: Topics,
    event: Event,
    test: EventTest,
    *,
    agreed: Callable[[ManualSendPlan, list[HttpRequest | AttemptResult], list[str]], bool],
) -> EventTestResult:
    """Show, ask and send. ``agreed`` gets the plan, the requests and the notes of a validation service.

    Raises `CannotTest`, and `flows.topics.interface.TopicError` before anything is sent.
    """
    run = f"test-{secrets.token_hex(8)}"
    plan = plan_manual_send(
        configuration,
        event,
        test.destination,
        mapping=test.mapping,
        apply_filters=test.apply_filters,
        apply_insert_function=test.apply_insert_function,
        test_id=run,
        now_ms=wall_clock_ms(),
    )

    async def use(sender: BatchSender) -> EventTestResult:
        requests = [(await sender.rehearse(delivery))[1] for delivery in plan.deliveries]
        notes = await _validate(configuration, sender, plan)
        if not agreed(plan, requests, notes):
            return EventTestResult(plan, ())
        details = {"message_id": event.message_id, "event": configuration.redactor.text(event.name)}
        fact = audited(test.who, Action.TEST_EVENT, test.destination, details, at_ms=wall_clock_ms(), run=run)
        append_facts(topics, [fact])
        result = tuple(await send_manually(sender, plan))
        append_facts(topics, [fact for one in result for fact in facts_of(one, configuration, test.who.name, run)])
        return EventTestResult(plan, result)

    return with_sender(configuration, use)


async def _validate(configuration: CompiledWorkspace, sender: BatchSender, plan: ManualSendPlan) -> list[str]:
    """Return the notes of the partner's validation service, where there is one; it stores nothing."""
    destination = configuration.destinations[plan.deliveries[0].destination].destination
    notes: list[str] = []
    for delivery in plan.deliveries:
        result = await sender.ask(delivery, lambda item: destination.test_request([item], wall_clock_ms()))
        if isinstance(result, HttpResponse):
            notes += [configuration.redactor.text(line) for line in destination.validation(result)]
    return notes


def render_plan(
    configuration: CompiledWorkspace,
    plan: ManualSendPlan,
    requests: list[HttpRequest | AttemptResult],
    notes: list[str],
    console: Console,
) -> None:
    """Print what would be sent."""
    for line in plan.passed_by:
        console.print(safe_text(f"  skipped: {line}", "yellow"))
    for delivery, request in zip(plan.deliveries, requests, strict=True):
        mapping = f" ({delivery.mapping})" if delivery.mapping else ""
        title = Text(f"request to {delivery.destination}{mapping}")
        if isinstance(request, AttemptResult):
            action = Text(f"→ {reason(request.code).action}", "cyan")
            body = [safe_text(f"none: {request.code} {request.message}", "red"), action]
        else:
            body = http_lines(show_request(request, configuration.redactor))
        console.print(Panel(Group(*body), title=title, title_align="left", border_style="dim"))
    for note in notes:
        console.print(safe_text(f"  validation service: {note}", "bold yellow"))


def render_result(configuration: CompiledWorkspace, result: EventTestResult, console: Console) -> None:
    """Print the responses."""
    for one in result.deliveries:
        console.print(_response(configuration, one))
    console.print(Text("  No count includes a test; wherever it is shown, it is marked as a test.", "dim"))


def to_json(configuration: CompiledWorkspace, result: EventTestResult) -> dict[str, Any]:
    """Return the result as JSON types, redacted."""
    return {
        "sent": bool(result.deliveries),
        "delivered": result.delivered,
        "passed_by": list(result.plan.passed_by),
        "calls": [
            {
                "destination": one.delivery.destination,
                "mapping": one.delivery.mapping,
                "delivery_id": one.delivery.delivery_id,
                "state": state_of(one),
                "code": one.answer.code,
                "message": one.answer.message,
                "http_status": one.answer.http_status,
                "http_ms": one.answer.http_ms,
                "request": show_request(one.request, configuration.redactor) if one.request else None,
                "response": shown_response(one, configuration.redactor),
            }
            for one in result.deliveries
        ],
    }


def _response(configuration: CompiledWorkspace, one: DeliveryResult) -> Panel:
    answer = one.answer
    good = state_of(one) == "delivered"
    summary = f"{state_of(one)}, HTTP {answer.http_status}" if answer.http_status else state_of(one)
    lines = [Text(f"{summary} in {duration(answer.http_ms)}", "bold green" if good else "bold red")]
    lines += reason_lines(answer.code)
    if answer.message:
        lines.append(safe_text(f"“{answer.message}”", "italic"))
    lines += http_lines(shown_response(one, configuration.redactor))
    return Panel(Group(*lines), title=Text(f"response of {one.delivery.destination}"), title_align="left")
