"""`waybill check --explain EVENT.json`: what would happen to an event on every connection of its source."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from console.reports.render_parts import printable
from flows.delivery.sending import BatchSender
from flows.engine.clock import wall_clock_ms
from flows.functions.host import FunctionHost
from flows.operations.dry_run import DryRunResult, explain
from flows.workspace.compiled import CompiledWorkspace
from flows.workspace.outbound import outbound_of
from model.destinations.catalogue import reason
from model.events.event import Event
from model.redaction.redactor import Redactor
from sinks.http.client import HttpClient
from sinks.http.ssrf_guard import SsrfGuard

_LOOKS = {
    "sent": ("would be sent", "green"),
    "filtered": ("would be filtered", "dim"),
    "discarded": ("would be discarded", "bold red"),
    "retried": ("would be tried again later", "yellow"),
}
Result = TypeVar("Result")


def with_sender(configuration: CompiledWorkspace, use: Callable[[BatchSender], Awaitable[Result]]) -> Result:
    """Do something with the delivery step of one configuration, and end its processes and connections after it."""

    async def run() -> Result:
        config = configuration.workspace.delivery
        sender = BatchSender(
            configuration=lambda: configuration,
            engine=HttpClient(SsrfGuard(config.allow_addresses), outbound_of(config)),
            functions=FunctionHost(),
            clock=wall_clock_ms,
        )
        try:
            return await use(sender)
        finally:
            await sender.close()

    return asyncio.run(run())


def explain_event(configuration: CompiledWorkspace, event: Event) -> list[DryRunResult]:
    """Explain an event on every connection of its source."""
    return with_sender(configuration, lambda sender: explain(configuration, sender, event, wall_clock_ms()))


def to_json(event: Event, explained: list[DryRunResult]) -> dict[str, Any]:
    """Return the explanation as JSON types."""
    return {
        "message_id": event.message_id,
        "source": event.source,
        "type": event.type,
        "deliveries": [asdict(one) for one in explained],
    }


def render(event: Event, explained: list[DryRunResult], redactor: Redactor, console: Console) -> None:
    """Draw one panel for each delivery."""
    name = f" “{redactor.text(event.name)}”" if event.name else ""
    console.print(Text(printable(f"{event.type}{name} from {event.source}: nothing is sent"), "bold"))
    if not explained:
        console.print(Text("  The source has no connection: the event goes nowhere.", "yellow"))
    for one in explained:
        console.print(_panel(one))


def _panel(one: DryRunResult) -> Panel:
    said, style = _LOOKS[one.state]
    mapping = f" ({one.mapping})" if one.mapping else ""
    lines = [Text(said, style)]
    if one.code:
        known = reason(one.code)
        lines += [Text(f"{one.code}: {known.description}"), Text(f"→ {known.action}", "cyan")]
    if one.message:
        lines.append(Text(printable(one.message), "italic"))
    if one.stripped:
        lines.append(Text("filters drop or change fields", "dim"))
    if one.function:
        lines.append(Text(f"insert function {one.function} ran", "dim"))
    if one.request is not None:
        lines.append(Text(printable(f"{one.request['method']} {one.request['url']}"), "cyan"))
        headers = one.request["headers"].items()
        lines += [Text(printable(f"{header}: {value}"), "dim") for header, value in headers]
        lines.append(Text(printable(one.request["body"])))
    return Panel(Group(*lines), title=Text(f"→ {one.destination}{mapping}"), title_align="left", border_style="dim")
