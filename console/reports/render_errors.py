"""Errors drawn for a terminal: the short table of the report, and all details of each for who has to act."""

from collections.abc import Sequence
from typing import Any

from rich.box import ROUNDED
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from console.reports.render_parts import count, day_and_time, percent, printable
from console.reports.report import ErrorGroup, RejectionGroup

_TABLE: dict[str, Any] = {
    "title_justify": "left",
    "expand": True,
    "border_style": "dim",
    "box": ROUNDED,
    "show_lines": True,
}
_STATES = {"discarded": ("discarded", "red"), "expired": ("expired", "red"), "awaiting_retry": ("retrying", "yellow")}
_TURNS = {"source": "whoever sends the events", "us": "whoever runs Waybill", "destination": "the destination"}


def draw_errors(errors: Sequence[ErrorGroup]) -> RenderableType:
    """Draw one line for each error: what happened, in the destination's words, and what to do."""
    if not errors:
        return _none()
    table = Table(title="Errors, in deliveries", **_TABLE)
    table.add_column("State", no_wrap=True)
    table.add_column("Destination", max_width=16, overflow="fold")
    table.add_column("Code", max_width=20, overflow="fold")
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("What happened, and what to do", ratio=1)
    for error in errors:
        words = Text(error.description)
        for message in error.messages[:1]:
            words.append(f"\n“{printable(message)}”", "italic dim")
        if error.action:
            words.append(f"\n→ {error.action}", "cyan")
        where = (Text(printable(error.destination)), Text(printable(error.code)))
        table.add_row(_state(error), *where, count(error.count), words)
    return table


def draw_error_details(errors: Sequence[ErrorGroup]) -> RenderableType:
    """Draw all that is known of each error."""
    if not errors:
        return _none()
    table = Table(title="Error details, in deliveries", **_TABLE)
    table.add_column("Error", max_width=20, overflow="fold")
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("What happened, and what to do", ratio=1)
    for error in errors:
        name = _state(error).append(f"\n{printable(error.code)}", "bold")
        name.append(f"\n{printable(error.destination)}", "default")
        number = Text(f"{count(error.count)}\n").append(percent(error.share), "dim")
        table.add_row(name, number, _details(error))
    return table


def _details(error: ErrorGroup) -> Text:
    words = Text(error.description or "–")
    for message, attempts in zip(error.messages, error.message_attempts, strict=True):
        words.append(f"\n“{printable(message)}”", "italic dim")
        words.append(f" in {count(attempts)} {'call' if attempts == 1 else 'calls'}", "dim")
    if error.action:
        words.append(f"\n→ {error.action}", "cyan")
    if turn := _TURNS.get(error.owner):
        words.append(f"\nFor {turn} to act on.", "dim")
    if error.link:
        words.append(f"\nMore: {error.link}", "dim")
    return words.append(f"\nSeen {_time(error.first_seen_ms)} to {_time(error.last_seen_ms)} UTC", "dim")


def _time(ms: int | None) -> str:
    return "–" if ms is None else day_and_time(ms)


def _state(error: ErrorGroup) -> Text:
    return Text(*_STATES[error.state])


def _none() -> Text:
    return Text("  No errors: of what was accepted, nothing was discarded, expired or is awaiting a retry.\n", "green")


def draw_rejections(rejections: Sequence[RejectionGroup], *, with_details: bool) -> RenderableType:
    """Draw one line for each reason why items were refused at ingest; ``with_details``: when, and which."""
    table = Table(title="Refused at ingest, in items", **_TABLE)
    table.add_column("Source", max_width=16, overflow="fold")
    table.add_column("Code", max_width=20, overflow="fold")
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("What happened, and what to do", ratio=1)
    for rejected in rejections:
        words = Text(rejected.description or "–")
        if rejected.message:
            words.append(f"\n“{printable(rejected.message)}”", "italic dim")
        if rejected.action:
            words.append(f"\n→ {rejected.action}", "cyan")
        shown = rejected.message_ids if with_details else rejected.message_ids[:1]
        if shown:
            words.append(f"\nFor example {', '.join(map(printable, shown))}", "dim")
        if with_details:
            words.append(f"\nSeen {_time(rejected.first_seen_ms)} to {_time(rejected.last_seen_ms)} UTC", "dim")
        source = Text(printable(rejected.source)) if rejected.source else Text("unknown key", "dim")
        table.add_row(source, Text(printable(rejected.code), "red"), count(rejected.items), words)
    return table
