"""The Event Delivery report: what arrived, what did not and why, how long it took, and whether it all adds up.

`build_report` reads the views of ``sql/`` and nothing else; `render` draws the report for a terminal, and
`Report.to_json` is what ``--json`` prints.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import HORIZONTALS, ROUNDED
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.report_parts import bars, clock_time, count, day_and_time, duration, percent, printable

View = Callable[[str, dict[str, Any]], list[dict[str, Any]]]

TREND_BUCKETS = 40
DEFAULT_SETTLE_SECONDS = 120
_HALF_A_DAY_MS = 43_200_000  # a time of day says enough
_FATES = ("routed", "filtered", "delivered", "discarded", "expired", "pending", "unexplained")
_TABLE: dict[str, Any] = {"title_justify": "left", "expand": True, "border_style": "dim", "box": ROUNDED}
_STATES = {"discarded": ("discarded", "red"), "expired": ("expired", "red"), "awaiting_retry": ("retrying", "yellow")}


@dataclass(frozen=True, slots=True)
class Metrics:
    """Outcomes by the minute in which they happened; rate and latencies (ms) are None over none."""

    delivered: int
    not_delivered: int
    discarded: int
    expired: int
    filtered: int
    attempts_failed: int
    possible_duplicates: int
    success_rate: float | None
    p50_latency_ms: int | None
    p95_latency_ms: int | None
    p99_latency_ms: int | None


@dataclass(frozen=True, slots=True)
class Ingest:
    """The balance upstream of routing, for events received in the period."""

    ingested: int
    accepted: int
    rejected: int
    duplicates: int
    routed_events: int
    unread: int
    unexplained: int


@dataclass(frozen=True, slots=True)
class ConnectionBalance:
    """What became of the deliveries of the events received in the period, for one connection."""

    source: str
    destination: str
    routed: int
    filtered: int
    delivered: int
    discarded: int
    expired: int
    pending: int
    unexplained: int


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Deliveries that share state, destination and code; ``count`` is deliveries, not attempts."""

    state: str  # discarded, expired, awaiting_retry
    destination: str
    code: str
    count: int
    share: float
    description: str
    action: str
    message: str
    first_seen_ms: int | None
    last_seen_ms: int | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One bucket of the trend."""

    at_ms: int
    delivered: int
    not_delivered: int
    p95_latency_ms: int | None


@dataclass(frozen=True, slots=True)
class NotReportable:
    """A connection whose deliveries Waybill does not make, and so cannot count."""

    source: str
    destination: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything the report shows. Times are Unix ms."""

    from_ms: int
    to_ms: int
    source: str
    destination: str
    metrics: Metrics
    ingest: Ingest
    balance: tuple[ConnectionBalance, ...]
    errors: tuple[ErrorGroup, ...]
    trend: tuple[TrendPoint, ...]
    step_seconds: int
    not_reportable: tuple[NotReportable, ...]
    complete_to_ms: int | None  # the low watermark; None before the first ticks

    def total(self, fate: str) -> int:
        """Sum one column of the balance over all connections."""
        return sum(getattr(row, fate) for row in self.balance)

    @property
    def unexplained(self) -> int:
        """Events and deliveries nobody can account for; anything but 0 is a fault."""
        return self.ingest.unexplained + self.total("unexplained")

    @property
    def pending(self) -> int:
        """Deliveries without outcome yet, and events not yet read."""
        return self.total("pending") + self.ingest.unread

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON types. Counts at the top are those of the cohort received in the period."""
        cohort = {fate: self.total(fate) for fate in _FATES}
        return {
            **asdict(self.ingest),
            **cohort,
            "pending": self.pending,
            "unexplained": self.unexplained,
            "possible_duplicates": self.metrics.possible_duplicates,
            "p95_latency_ms": self.metrics.p95_latency_ms,
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "complete_to_ms": self.complete_to_ms,
            "metrics": asdict(self.metrics),
            "errors": [asdict(error) for error in self.errors],
            "balance": [asdict(row) for row in self.balance],
            "trend": [asdict(point) for point in self.trend],
            "not_reportable": [asdict(connection) for connection in self.not_reportable],
        }


def build_report(
    view: View,
    from_ms: int,
    to_ms: int,
    *,
    source: str = "",
    destination: str = "",
    settle_seconds: int = DEFAULT_SETTLE_SECONDS,
    not_reportable: Sequence[NotReportable] = (),
) -> Report:
    """Read the report of [from_ms, to_ms); ``view`` calls a parameterized view by name (`sinks.store.Store.view`)."""
    period = {"from_ms": from_ms, "to_ms": to_ms}
    chosen = {**period, "source": source, "destination": destination}
    settled = {"settle_seconds": settle_seconds}
    step_seconds = max(60, -(-(to_ms - from_ms) // (TREND_BUCKETS * 60_000)) * 60)
    [metrics] = view("delivery_metrics", chosen)
    [ingest] = view("ingest_balance", {**period, **settled})
    [freshness] = view("freshness", {})
    errors = view("delivery_errors", chosen)
    return Report(
        **period,
        source=source,
        destination=destination,
        metrics=Metrics(**_only(Metrics, metrics)),
        ingest=Ingest(**_only(Ingest, ingest)),
        balance=tuple(ConnectionBalance(**row) for row in view("balance", {**chosen, **settled})),
        errors=tuple(_error(row) for row in errors),
        trend=tuple(
            TrendPoint(row["bucket"], row["delivered"], row["not_delivered"], row["p95_latency_ms"])
            for row in view("delivery_trend", {**chosen, "step_seconds": step_seconds})
        ),
        step_seconds=step_seconds,
        not_reportable=tuple(not_reportable),
        complete_to_ms=freshness["watermark"],
    )


def render(report: Report, console: Console) -> None:
    """Draw the report; it fits 80 columns. Times are UTC."""
    parts: list[RenderableType] = [_headline(report), _trend(report), _errors(report), _balance(report)]
    if report.not_reportable:
        parts.append(_not_reportable(report))
    console.print(Group(*parts, _verdict(report), _freshness(report)))


def _headline(report: Report) -> RenderableType:
    metrics = report.metrics
    grid = Table.grid(expand=True)
    for _ in range(4):
        grid.add_column(justify="center", ratio=1)
    lost = "bold red" if metrics.not_delivered else "bold green"
    grid.add_row(
        Text(count(metrics.delivered), "bold green"),
        Text(count(metrics.not_delivered), lost),
        Text(percent(metrics.success_rate), "bold"),
        Text(duration(metrics.p95_latency_ms), "bold"),
    )
    grid.add_row(
        Text("Delivered", "dim"), Text("Not delivered", "dim"), Text("Success rate", "dim"), Text("P95 latency", "dim")
    )
    subject = escape(printable(f"{report.source or 'all sources'} → {report.destination or 'all destinations'}"))
    period = f"{day_and_time(report.from_ms)} – {day_and_time(report.to_ms)} UTC"
    return Panel(grid, title=f"[bold]Event Delivery[/]  {subject}", subtitle=period, padding=(1, 2))


def _trend(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    delivered = [point.delivered for point in report.trend]
    not_delivered = [point.not_delivered for point in report.trend]
    latencies = [point.p95_latency_ms or 0 for point in report.trend]
    width = f"per {duration(report.step_seconds * 1000)}"
    grid.add_row(Text("Delivered", "dim"), Text(bars(delivered), "green"), f"peak {count(max(delivered, default=0))}")
    grid.add_row(
        Text("Not delivered", "dim"), Text(bars(not_delivered), "red"), f"peak {count(max(not_delivered, default=0))}"
    )
    grid.add_row(
        Text("P95 latency", "dim"), Text(bars(latencies), "cyan"), f"peak {duration(max(latencies, default=0))}"
    )
    return Panel(grid, title=f"Trend {width}", title_align="left", border_style="dim")


def _errors(report: Report) -> RenderableType:
    if not report.errors:
        return Text("  No errors: nothing was discarded, expired or is awaiting a retry.\n", "green")
    table = Table(title="Errors, in deliveries", show_lines=True, **_TABLE)
    table.add_column("State", no_wrap=True)
    table.add_column("Destination", max_width=16, overflow="fold")
    table.add_column("Code", max_width=20, overflow="fold")
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("What happened, and what to do", ratio=1)
    for error in report.errors:
        name, style = _STATES[error.state]
        words = Text(error.description)
        if error.message:
            words.append(f"\n“{printable(error.message)}”", "italic dim")
        if error.action:
            words.append(f"\n→ {error.action}", "cyan")
        where = (Text(printable(error.destination)), Text(printable(error.code)))
        table.add_row(Text(name, style), *where, count(error.count), words)
    return table


def _balance(report: Report) -> RenderableType:
    # Without lines between columns, so that 80 characters have room for names beside seven numbers.
    table = Table(title="Balance of the events received", **{**_TABLE, "box": HORIZONTALS, "padding": 0})
    table.add_column("Connection", ratio=1, min_width=12, overflow="fold")
    for fate in _FATES:
        table.add_column(fate.capitalize(), justify="right", no_wrap=True)
    for row in report.balance:
        cells = [_fate_cell(fate, getattr(row, fate)) for fate in _FATES]
        table.add_row(Text(f"{printable(row.source)}\n→ {printable(row.destination)}"), *cells)
    table.add_section()
    table.add_row(Text("All", "bold"), *[_fate_cell(fate, report.total(fate)) for fate in _FATES])
    ingest = report.ingest
    upstream = (
        f"  {count(ingest.ingested)} ingested = {count(ingest.accepted)} accepted + {count(ingest.rejected)} rejected\n"
        f"  {count(ingest.accepted)} accepted = {count(ingest.routed_events)} routed"
        f" + {count(ingest.duplicates)} duplicates + {count(ingest.unread)} not yet read"
        f" + {count(ingest.unexplained)} unexplained"
    )
    return Group(table, Text(upstream, "dim"))


def _fate_cell(fate: str, number: int) -> Text:
    loud = {"unexplained": "bold white on red", "pending": "yellow", "discarded": "red", "expired": "red"}
    return Text(count(number), "dim" if not number else loud.get(fate, ""))


def _not_reportable(report: Report) -> RenderableType:
    text = Text("\n  Not reportable here\n", "bold")
    for connection in report.not_reportable:
        text.append(f"    {connection.source} → {connection.destination}: {connection.reason}\n", "dim")
    return text


def _verdict(report: Report) -> RenderableType:
    if report.unexplained:
        text = (
            f"{count(report.unexplained)} UNEXPLAINED. The delivery flow has passed these events, and no outcome, retry"
            " or filter accounts for them. They may be lost: keep the topics, and run `waybill recover --help`."
        )
        return Panel(Text(text, "bold white on red"), border_style="red")
    settled = f", {count(report.pending)} of them still pending" if report.pending else ""
    return Text(f"\n  ✔ Every event is accounted for{settled}.", "green")


def _freshness(report: Report) -> RenderableType:
    duplicates = report.metrics.possible_duplicates
    more = f" {count(duplicates)} calls may have repeated one made before a crash." if duplicates else ""
    if report.complete_to_ms is None:
        return Text(f"  The delivery flow has not reported yet; the numbers may be incomplete.{more}", "yellow")
    is_recent = report.to_ms - report.complete_to_ms < _HALF_A_DAY_MS
    up_to = clock_time(report.complete_to_ms) if is_recent else day_and_time(report.complete_to_ms)
    return Text(f"  Complete up to {up_to} UTC.{more}", "dim" if is_recent else "yellow")


def _error(row: Mapping[str, Any]) -> ErrorGroup:
    return ErrorGroup(
        state=row["state"],
        destination=row["destination"],
        code=row["code"],
        count=row["deliveries"],
        share=row["share"],
        description=row["description"],
        action=row["action"],
        message=row["message"],
        first_seen_ms=row["first_seen"],
        last_seen_ms=row["last_seen"],
    )


def _only(shape: type, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in shape.__dataclass_fields__}  # type: ignore[attr-defined]
