"""The trace of one event: received, routed, each attempt and outcome, in order of time."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.data_dir import View
from console.reports.banner import WAITING_MS, Banner, draw_banner, read_banners
from console.reports.render_parts import day_and_time, duration, exact_time, printable
from model.events.validation import traced_id

_STYLES = {"delivered": "green", "filtered": "dim", "discarded": "bold red", "expired": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened to an event. Times are Unix ms; see view event_trace for the null rules."""

    at: int
    step: str  # rejected, received, duplicate, routed, attempt_failed, requeued, outcome, redriven, redrive_…, tested
    source: str
    destination: str
    mapping: str
    event_type: str
    event_name: str
    delivery_id: str
    attempt: int
    state: str
    code: str
    description: str
    action: str
    message: str
    http_status: int | None
    http_ms: int
    latency_ms: int | None
    queue_ms: int | None
    retry_wait_ms: int | None
    limit_wait_ms: int | None
    calls_ms: int | None
    due_at: int | None
    batch_items: int
    redrive: int
    author: str
    counted: bool
    resent: bool
    events_partition: int
    events_offset: int


@dataclass(frozen=True, slots=True)
class Trace:
    """All recorded steps of the events with one messageId; none when no such event is recorded."""

    message_id: str
    steps: tuple[Step, ...]
    banners: tuple[Banner, ...] = ()  # stopped destinations that it was routed to

    @property
    def pending(self) -> tuple[str, ...]:
        """Destinations of deliveries that have no outcome yet."""
        ended = {step.delivery_id for step in self.steps if step.step == "outcome"}
        return tuple(step.destination for step in self.steps if step.step == "routed" and step.delivery_id not in ended)

    def recovered_at(self, delivery_id: str) -> int | None:
        """Return when a redrive delivered a delivery that had failed, in Unix ms; None when none did."""
        for step in self.steps:
            own = step.step == "redrive_outcome" and step.delivery_id.partition("/")[0] == delivery_id
            if own and step.state == "delivered":
                return step.at
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the trace as JSON types."""
        return {
            "message_id": self.message_id,
            "found": bool(self.steps),
            "pending": list(self.pending),
            "banners": [asdict(banner) for banner in self.banners],
            "steps": [asdict(step) for step in self.steps],
        }


def build_trace(view: View, message_id: str, now_ms: int) -> Trace:
    """Read the trace; ``view`` calls a parameterized view by name (`sinks.clickhouse.store.Store.view`)."""
    # `traced_id` cuts an id to the length that ids of accepted events have, and under which rejections are recorded.
    steps = tuple(Step(**row) for row in view("event_trace", {"message_id": traced_id(message_id)}))
    destinations = {step.destination for step in steps} - {""}
    banners = read_banners(view, now_ms - WAITING_MS, now_ms, destinations) if destinations else ()
    return Trace(message_id, steps, banners)


def render(trace: Trace, console: Console) -> None:
    """Print the trace; times are UTC."""
    title = Text.assemble("Event ", (printable(trace.message_id), "bold"))
    if not trace.steps:
        console.print(title)
        console.print(
            "  No event with this messageId is recorded. Was it sent in the last few seconds, to another deployment, or"
            " longer ago than facts are kept?",
            style="yellow",
        )
        return
    first = trace.steps[0]
    name = f" “{first.event_name}”" if first.event_name else ""
    source = first.source or "an unknown source"
    what = f"{first.event_type or 'event'}{name} from {source}, {day_and_time(first.at)} UTC"
    console.print(title.append(printable(f"   {what}"), "dim"))
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for look in ({"no_wrap": True, "style": "dim"}, {"no_wrap": True}, {"no_wrap": True}, {"ratio": 1}):
        table.add_column(**look)
    latest = {step.delivery_id: step for step in trace.steps}
    for step in trace.steps:
        to = f"→ {step.destination}" if step.destination else ""
        mapping = f" ({step.mapping})" if step.mapping else ""
        story = _story(step, is_latest=latest[step.delivery_id] is step)
        recovered_at = trace.recovered_at(step.delivery_id) if step.step == "outcome" else None
        if recovered_at is not None:
            story.append(f"\nrecovered by redrive at {day_and_time(recovered_at)} UTC", "green")
        table.add_row(exact_time(step.at), _label(step), Text(printable(to + mapping)), story)
    console.print(table)
    for banner in trace.banners:
        console.print(draw_banner(banner))
    for destination in trace.pending:
        console.print(Text(f"  Pending for {destination}: no outcome yet.", "yellow"))


def _label(step: Step) -> Text:
    of_redrive = f"redrive {step.redrive}: " if step.redrive else ""
    match step.step.removeprefix("redrive_"):
        case "outcome":
            return Text(of_redrive + step.state, _STYLES.get(step.state, ""))
        case "attempt_failed":
            return Text(f"{of_redrive}attempt {step.attempt} failed", "yellow")
        case "requeued":
            return Text(f"{of_redrive}requeued", "yellow")
        case "redriven":
            return Text(f"redrive {step.redrive}", "cyan")
        case "tested":
            return Text(f"test: {step.state}", "cyan")
        case "rejected":
            return Text("rejected", "bold red")
        case _:
            return Text(step.step)


def _story(step: Step, *, is_latest: bool) -> Text:
    story = Text()
    match step.step.removeprefix("redrive_"):
        case "received":
            story.append(f"record {step.events_offset} of partition {step.events_partition}", "dim")
        case "duplicate":
            story.append("The same messageId was received before; not delivered again.")
        case "outcome" if step.state == "delivered":
            calls = f"in {step.attempt} calls" if step.attempt > 1 else "at the first call"
            story.append(f"{calls}, {duration(step.latency_ms)} after it was received")
        case "redriven" | "tested":
            story.append(f"requested by {printable(step.author)}", "dim")
    if step.code:
        answered = printable(step.code) if step.http_status is None else f"HTTP {step.http_status}"
        known = f"{answered}: {step.description}" if step.description else answered
        story.append(f"{known}{f' ({duration(step.http_ms)})' if step.http_ms else ''}")
    if step.batch_items:
        story.append(f"\nthe response to a whole batch of {step.batch_items}", "dim")
    if step.latency_ms and step.step.endswith("outcome"):
        story.append(f"\n{_split(step)}", "dim")
    if step.message:
        story.append(f"\n“{printable(step.message)}”", "italic dim")
    # Of several failed calls, the last one's remedy is enough.
    failed = step.step.endswith(("attempt_failed", "requeued")) and is_latest
    if step.action and (step.state in {"discarded", "expired"} or step.step == "rejected" or failed):
        story.append(f"\n→ {step.action}", "cyan")
    if step.due_at is not None:
        story.append(f"\nnext at {exact_time(step.due_at)}", "dim")
    if step.resent:
        story.append("\nmay repeat a call made before a crash", "yellow")
    if not step.counted:
        story.append("\nrepeats an earlier record after a crash; not counted", "dim")
    return story


def _split(step: Step) -> str:
    """Split the latency of a delivery into its parts, which add up to it."""
    parts = {
        "in queues": step.queue_ms,
        "waiting to retry": step.retry_wait_ms,
        "held back by limits": step.limit_wait_ms,
        "in calls": step.calls_ms,
    }
    return ", ".join(f"{duration(ms)} {name}" for name, ms in parts.items() if ms)
