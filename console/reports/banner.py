"""Banner of a stopped destination: why it is stopped, since when, how many deliveries wait, and what to do."""

from collections.abc import Collection
from dataclasses import dataclass

from rich.console import RenderableType
from rich.panel import Panel

from console.data_dir import View
from console.reports.render_parts import count, day_and_time, printable, safe_text
from flows.workspace.discards import SETTLE_SECONDS, Discard

WAITING_MS = 86_400_000  # where no period is chosen, pending deliveries of events received within this time count
_STATES = {
    "setup": "takes nothing until somebody acts",
    "open": "is paused because too many calls failed",
    "half_open": "is being tried again after too many calls failed",
}


@dataclass(frozen=True, slots=True)
class Banner:
    """A destination that takes no deliveries now, and how many wait for it."""

    destination: str
    state: str  # setup, open, half_open
    since_ms: int
    code: str
    description: str
    action: str
    message: str
    pending: int


def read_banners(
    view: View, from_ms: int, to_ms: int, destinations: Collection[str] | None = None
) -> tuple[Banner, ...]:
    """Read the banners of some destinations, or of all; pending are events received in [from_ms, to_ms)."""
    rows = view("destination_health", {"from_ms": from_ms, "to_ms": to_ms, "settle_seconds": SETTLE_SECONDS})
    names = [name for name in Banner.__dataclass_fields__ if name != "since_ms"]
    return tuple(
        Banner(since_ms=row["since"], **{name: row[name] for name in names})
        for row in rows
        if destinations is None or row["destination"] in destinations
    )


def draw_discard(discard: Discard) -> RenderableType:
    """Draw pending deliveries that the workspace file discards."""
    message = discard.message
    text = safe_text(f"{message[0].upper()}{message[1:]}.", "bold")
    text.append(f"\n→ {printable(discard.remedy)}.", "cyan")
    return Panel(text, border_style="red")


def draw_banner(banner: Banner) -> RenderableType:
    """Draw a stopped destination."""
    text = safe_text(f"{banner.destination} {_STATES[banner.state]}. ", "bold")
    text.append(f"{count(banner.pending)} pending, since {day_and_time(banner.since_ms)} UTC. ")
    text.append(f"{banner.code}: {banner.description}")
    if banner.message:
        text.append(f"\n“{printable(banner.message)}”", "italic dim")
    if banner.action:
        text.append(f"\n→ {banner.action}", "cyan")
    return Panel(text, border_style="red" if banner.state == "setup" else "yellow")
