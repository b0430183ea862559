"""Draws errors for a terminal: the short table of the report, and the table with all details."""

from collections.abc import Iterable, Sequence

from rich.box import ROUNDED
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from console.reports.render_parts import count, day_and_time, percent, printable, safe_text
from console.reports.report import ErrorGroup, RejectionGroup

_STATES = {"discarded": ("discarded", "red"), "expired": ("expired", "red"), "awaiting_retry": ("retrying", "yellow")}
_OWNERS = {"source": "whoever sends the events", "us": "whoever operates Waybill", "destination": "the destination"}


def draw_errors(errors: Sequence[ErrorGroup]) -> RenderableType:
    """Draw one row for each error: what happened, the destination's message, and what to do."""
    if not errors:
        return _none()
    table = _table("Errors, in deliveries", "State", "Destination", "Code")
    table.columns[0].no_wrap = True
    for error in errors:
        words = _explanation(error.description, error.messages[:1], error.action)
        table.add_row(
            Text(*_STATES[error.state]), *map(safe_text, (error.destination, error.code)), count(error.count), words
        )
    return table


def draw_error_details(errors: Sequence[ErrorGroup]) -> RenderableType:
    """Draw one row for each error with all its details."""
    if not errors:
        return _none()
    table = _table("Error details, in deliveries", "Error")
    for error in errors:
        name = Text(*_STATES[error.state]).append(f"\n{printable(error.code)}", "bold")
        name.append(f"\n{printable(error.destination)}", "default")
        number = Text(f"{count(error.count)}\n").append(percent(error.share), "dim")
        table.add_row(name, number, _details(error))
    return table


def draw_rejections(rejections: Sequence[RejectionGroup], *, with_details: bool) -> RenderableType:
    """Draw one row for each reason why ingest rejected items; ``with_details``: when, and which."""
    table = _table("Refused at ingest, in items", "Source", "Code")
    for rejected in rejections:
        words = _explanation(rejected.description, filter(None, [rejected.message]), rejected.action)
        shown = rejected.message_ids if with_details else rejected.message_ids[:1]
        if shown:
            words.append(f"\nFor example {', '.join(map(printable, shown))}", "dim")
        if with_details:
            words.append(_seen(rejected))
        source = safe_text(rejected.source) if rejected.source else Text("unknown key", "dim")
        table.add_row(source, safe_text(rejected.code, "red"), count(rejected.items), words)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", expand=True, border_style="dim", box=ROUNDED, show_lines=True)
    for heading in headings:
        table.add_column(heading, max_width=20 if heading in {"Code", "Error"} else 16, overflow="fold")
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("What happened, and what to do", ratio=1)
    return table


def _explanation(description: str, messages: Iterable[str], action: str) -> Text:
    words = Text(description or "–")
    for message in messages:
        words.append(f"\n“{printable(message)}”", "italic dim")
    if action:
        words.append(f"\n→ {action}", "cyan")
    return words


def _details(error: ErrorGroup) -> Text:
    words = Text(error.description or "–")
    for message, attempts in zip(error.messages, error.message_attempts, strict=True):
        words.append(f"\n“{printable(message)}”", "italic dim")
        words.append(f" in {count(attempts)} {'call' if attempts == 1 else 'calls'}", "dim")
    if error.action:
        words.append(f"\n→ {error.action}", "cyan")
    if owner := _OWNERS.get(error.owner):
        words.append(f"\nTo be solved by {owner}.", "dim")
    if error.link:
        words.append(f"\nMore: {error.link}", "dim")
    return words.append(_seen(error))


def _seen(row: ErrorGroup | RejectionGroup) -> Text:
    first, last = ("–" if ms is None else day_and_time(ms) for ms in (row.first_seen_ms, row.last_seen_ms))
    return Text(f"\nSeen {first} to {last} UTC", "dim")


def _none() -> Text:
    return Text("  No errors: of what was accepted, nothing was discarded, expired or is awaiting a retry.\n", "green")
