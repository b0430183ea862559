"""Draws the Event Delivery report for a terminal."""

from typing import Any

from rich.box import HORIZONTALS, ROUNDED
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.reports.banner import draw_banner, draw_discard
from console.reports.render_errors import draw_error_details, draw_errors, draw_rejections
from console.reports.render_parts import bars, change, clock_time, count, day_and_time, duration, percent, printable
from console.reports.report import FATES, Report

_HALF_A_DAY_MS = 43_200_000  # up to this age, a time of day without the day is unambiguous
_TABLE: dict[str, Any] = {"title_justify": "left", "expand": True, "border_style": "dim", "box": ROUNDED}
_REDRIVE_FATES = ("recovered", "filtered", "discarded", "expired", "pending", "unexplained")


def render(report: Report, console: Console, *, with_error_details: bool = False) -> None:
    """Print the report; it fits 80 columns. Times are UTC."""
    parts: list[RenderableType] = [_headline(report), *map(draw_banner, report.banners)]
    parts += map(draw_discard, report.discards)
    errors = draw_error_details if with_error_details else draw_errors
    parts += [_trend(report), errors(report.errors)]
    if report.rejections:
        parts.append(draw_rejections(report.rejections, with_details=with_error_details))
    parts += [_balance(report), _ingest(report)]
    if report.redrives:
        parts.append(_redrives(report))
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
    grid.add_row(*(Text(name, "dim") for name in ("Delivered", "Not delivered", "Success rate", "P95 latency")))
    changes = report.changes
    grid.add_row(
        _change(changes.delivered_change_percent, "%", good_when_up=None),
        _change(changes.not_delivered_change_percent, "%", good_when_up=False),
        _change(changes.success_rate_change_points, "points", good_when_up=True),
        _change(changes.p95_latency_change_ms, "ms", good_when_up=False),
    )
    subject = escape(printable(f"{report.source or 'all sources'} → {report.destination or 'all destinations'}"))
    period = f"{day_and_time(report.from_ms)} – {day_and_time(report.to_ms)} UTC, ▲▼ against as long before it"
    return Panel(grid, title=f"[bold]Event Delivery[/]  {subject}", subtitle=period, padding=(1, 2))


def _change(by: float | None, unit: str, *, good_when_up: bool | None) -> Text:
    """Draw a change against the period before: green for the better, red for the worse, where either is clear."""
    if not by or good_when_up is None:
        return Text(change(by, unit), "dim")
    return Text(change(by, unit), "green" if (by > 0) is good_when_up else "red")


def _trend(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    delivered = [point.delivered for point in report.trend]
    not_delivered = [point.not_delivered for point in report.trend]
    latencies = [point.p95_latency_ms or 0 for point in report.trend]
    width = f"per {duration(report.step_seconds * 1000)}"
    for name, values, style, write in (
        ("Delivered", delivered, "green", count),
        ("Not delivered", not_delivered, "red", count),
        ("P95 latency", latencies, "cyan", duration),
    ):
        grid.add_row(Text(name, "dim"), Text(bars(values), style), f"peak {write(max(values, default=0))}")
    return Panel(grid, title=f"Trend {width}", title_align="left", border_style="dim")


def _balance(report: Report) -> RenderableType:
    # No lines between columns, so that names and seven numbers fit into 80 characters.
    table = Table(title="Balance of the events received", **{**_TABLE, "box": HORIZONTALS, "padding": 0})
    table.add_column("Connection", ratio=1, min_width=12, overflow="fold")
    for fate in FATES:
        table.add_column(fate.capitalize(), justify="right", no_wrap=True)
    for row in report.balance:
        cells = [_fate_cell(fate, getattr(row, fate)) for fate in FATES]
        table.add_row(Text(f"{printable(row.source)}\n→ {printable(row.destination)}"), *cells)
    table.add_section()
    table.add_row(Text("All", "bold"), *[_fate_cell(fate, report.total(fate)) for fate in FATES])
    return table


def _ingest(report: Report) -> RenderableType:
    """Draw the balance upstream of routing: it is of all destinations, and unread events are of all sources."""
    ingest, rest = report.ingest, report.events_log
    parts = f"{count(ingest.routed_events)} routed + {count(ingest.duplicates)} duplicates"
    accepted = f"{count(ingest.accepted)} accepted = {parts}"
    more = f"{count(rest.unread)} not yet read + {count(rest.unexplained)} unexplained"
    lines = [
        f"  {count(ingest.ingested)} ingested = {count(ingest.accepted)} accepted + {count(ingest.rejected)} rejected",
        f"  {accepted} + {more}" if not report.source else f"  {accepted}",
    ]
    if report.source:
        lines.append(f"  Of all sources: {more}")
    whose = printable(report.source) if report.source else "all sources"
    heading = f"  At ingest, {whose}" + (", for all destinations" if report.destination else "")
    return Text("\n".join([heading, *lines]), "dim")


def _redrives(report: Report) -> RenderableType:
    totals = {fate: sum(getattr(row, fate) for row in report.redrives) for fate in ("redriven", *_REDRIVE_FATES)}
    parts = " + ".join(f"{count(totals[fate])} {fate}" for fate in _REDRIVE_FATES)
    style = "bold red" if totals["unexplained"] else "dim"
    return Text(f"  {count(totals['redriven'])} redriven = {parts}; no other number includes them", style)


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
        if report.source and report.events_log.unexplained:
            text += f" {count(report.events_log.unexplained)} of them may be of any source: they were never read."
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
