"""`waybill check --explain EVENT.json`: what would happen to an event on each connection, without sending."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from console.reports.render_parts import safe_text
from flows.delivery.sender import BatchSender
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
    "retried": ("would be retried later", "yellow"),
}
Result = TypeVar("Result")


def with_sender(configuration: CompiledWorkspace, use: Callable[[BatchSender], Awaitable[Result]]) -> Result:
    """Run ``use`` with a `BatchSender` of this configuration, and close its connections and processes afterwards."""

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
    """Print one panel for each delivery."""
    name = f" “{redactor.text(event.name)}”" if event.name else ""
    console.print(safe_text(f"{event.type}{name} from {event.source}: nothing is sent", "bold"))
    if not explained:
        console.print(Text("  The source has no connection: the event is sent to no destination.", "yellow"))
    for one in explained:
        console.print(_panel(one))


def _panel(one: DryRunResult) -> Panel:
    mapping = f" ({one.mapping})" if one.mapping else ""
    lines = [Text(*_LOOKS[one.state]), *reason_lines(one.code)]
    if one.message:
        lines.append(safe_text(one.message, "italic"))
    if one.stripped:
        lines.append(Text("filters drop or change fields", "dim"))
    if one.function:
        lines.append(Text(f"insert function {one.function} ran", "dim"))
    if one.request is not None:
        lines += http_lines(one.request)
    return Panel(Group(*lines), title=Text(f"→ {one.destination}{mapping}"), title_align="left", border_style="dim")


def reason_lines(code: str) -> list[Text]:
    """Draw a reason code: what it means, and what to do; nothing for ''."""
    if not code:
        return []
    known = reason(code)
    return [Text(f"{code}: {known.description}"), Text(f"→ {known.action}", "cyan")]


def http_lines(shown: Mapping[str, Any]) -> list[Text]:
    """Draw a redacted request or response: method and URL, headers, body, as far as it has them."""
    lines = [safe_text(f"{shown['method']} {shown['url']}", "cyan")] if "url" in shown else []
    lines += [safe_text(f"{header}: {value}", "dim") for header, value in shown.get("headers", {}).items()]
    return [*lines, safe_text(shown["body"])] if "body" in shown else lines
