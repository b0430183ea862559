"""`waybill test-event`: one real call to one destination, shown first, confirmed, and in no count."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from console.operations.explain import with_sender
from console.reports.render_parts import duration, printable
from flows.delivery.responses import DeliveryResult
from flows.delivery.results import show_request, show_response
from flows.delivery.sending import BatchSender
from flows.engine.clock import wall_clock_ms
from flows.operations.manual_send import ManualSendPlan, audited, facts_of, plan_manual_send, send_manually, state_of
from flows.topics.interface import Topics
from flows.topics.records import append_facts
from flows.workspace.compiled import CompiledWorkspace
from model.delivery.attempt import AttemptResult
from model.destinations.catalogue import reason
from model.events.event import Event
from model.http.messages import HttpRequest, HttpResponse

SAMPLE = {
    "type": "track",
    "event": "Waybill Test",
    "userId": "waybill-test-user",
    "properties": {"test": True, "total": 1.0, "currency": "EUR"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTest:
    """What is to be tested, by whom."""

    destination: str
    mapping: str = ""
    apply_filters: bool = False
    apply_insert_function: bool = False
    author: str = ""
    role: str = "owner"


@dataclass(frozen=True, slots=True)
class EventTestResult:
    """``result`` is empty when the person did not agree."""

    plan: ManualSendPlan
    deliveries: tuple[DeliveryResult, ...]

    @property
    def delivered(self) -> bool:
        """All calls were taken."""
        return bool(self.deliveries) and all(state_of(one) == "delivered" for one in self.deliveries)


def run_event_test(
    configuration: CompiledWorkspace,
    topics: Topics,
    event: Event,
    test: EventTest,
    *,
    agreed: Callable[[ManualSendPlan, list[HttpRequest | AttemptResult], list[str]], bool],
) -> EventTestResult:
    """Show, ask and send. ``agreed`` gets the plan, the requests and what a validation service says of them.

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
        words = await _validate(configuration, sender, plan)
        if not agreed(plan, requests, words):
            return EventTestResult(plan, ())
        details = {"message_id": event.message_id, "event": configuration.redactor.text(event.name)}
        append_facts(topics, [audited(test.author, test.role, test.destination, details, wall_clock_ms(), run)])
        result = tuple(await send_manually(sender, plan))
        append_facts(topics, [said for one in result for said in facts_of(one, configuration, test.author, run)])
        return EventTestResult(plan, result)

    return with_sender(configuration, use)


async def _validate(configuration: CompiledWorkspace, sender: BatchSender, plan: ManualSendPlan) -> list[str]:
    """What the partner's validation service says, where there is one; it stores nothing."""
    destination = configuration.destinations[plan.deliveries[0].destination].destination
    words: list[str] = []
    for delivery in plan.deliveries:
        result = await sender.ask(delivery, lambda item: destination.test_request([item], wall_clock_ms()))
        if isinstance(result, HttpResponse):
            words += [configuration.redactor.text(line) for line in destination.validation(result)]
    return words


def render_plan(
    configuration: CompiledWorkspace,
    plan: ManualSendPlan,
    requests: list[HttpRequest | AttemptResult],
    words: list[str],
    console: Console,
) -> None:
    """Draw what would be sent."""
    for line in plan.passed_by:
        console.print(Text(f"  passed by: {printable(line)}", "yellow"))
    for delivery, made in zip(plan.deliveries, requests, strict=True):
        mapping = f" ({delivery.mapping})" if delivery.mapping else ""
        title = Text(f"request to {delivery.destination}{mapping}")
        if isinstance(made, AttemptResult):
            body: list[Text] = [
                Text(f"none: {made.code} {printable(made.message)}", "red"),
                Text(f"→ {reason(made.code).action}", "cyan"),
            ]
        else:
            shown = show_request(made, configuration.redactor)
            body = [Text(printable(f"{shown['method']} {shown['url']}"), "cyan")]
            body += [Text(printable(f"{name}: {value}"), "dim") for name, value in shown["headers"].items()]
            body.append(Text(printable(shown["body"])))
        console.print(Panel(Group(*body), title=title, title_align="left", border_style="dim"))
    for line in words:
        console.print(Text(f"  the validation service says: {printable(line)}", "bold yellow"))


def render_result(configuration: CompiledWorkspace, result: EventTestResult, console: Console) -> None:
    """Draw what came of it."""
    for one in result.deliveries:
        console.print(_answer(configuration, one))
    console.print(Text("  A test is in no count; it is marked as one wherever it is shown.", "dim"))


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
                "response": show_response(one.response, configuration.redactor),
            }
            for one in result.deliveries
        ],
    }


def _answer(configuration: CompiledWorkspace, one: DeliveryResult) -> Panel:
    answer = one.answer
    good = state_of(one) == "delivered"
    summary = f"{state_of(one)}, HTTP {answer.http_status}" if answer.http_status else state_of(one)
    lines = [Text(f"{summary} in {duration(answer.http_ms)}", "bold green" if good else "bold red")]
    if answer.code:
        known = reason(answer.code)
        lines += [Text(f"{answer.code}: {known.description}"), Text(f"→ {known.action}", "cyan")]
    if answer.message:
        lines.append(Text(f"“{printable(answer.message)}”", "italic"))
    response = show_response(one.response, configuration.redactor)
    lines += [Text(printable(f"{name}: {value}"), "dim") for name, value in response.get("headers", {}).items()]
    if "body" in response:
        lines.append(Text(printable(response["body"])))
    return Panel(Group(*lines), title=Text(f"answer of {one.delivery.destination}"), title_align="left")


def sample_event() -> bytes:
    """An event of our own, for when none is given."""
    return orjson.dumps(SAMPLE)
