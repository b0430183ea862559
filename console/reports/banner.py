"""A destination that takes nothing now, told wherever it is shown: why, since when, how many wait, what to do."""

from collections.abc import Collection
from dataclasses import dataclass

from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from console.data_dir import View
from console.reports.render_parts import count, day_and_time, printable
from flows.workspace.discards import Discard

SETTLE_SECONDS = 120
WAITING_MS = 86_400_000  # where no period is chosen: what is counted as pending was received within this time


@dataclass(frozen=True, slots=True)
class Banner:
    """A destination that takes nothing at the moment, and how many deliveries wait for it."""

    destination: str
    state: str  # setup, open, half_open
    since_ms: int
    code: str
    description: str
    action: str
    message: str
    pending: int


def read_banners(
    view: View,
    from_ms: int,
    to_ms: int,
    destinations: Collection[str] | None = None,
    settle_seconds: int = SETTLE_SECONDS,
) -> tuple[Banner, ...]:
    """Read what is to be told; of some destinations or all. Pending are events received in [from_ms, to_ms)."""
    rows = view("destination_health", {"from_ms": from_ms, "to_ms": to_ms, "settle_seconds": settle_seconds})
    names = [name for name in Banner.__dataclass_fields__ if name != "since_ms"]
    return tuple(
        Banner(since_ms=row["since"], **{name: row[name] for name in names})
        for row in rows
        if destinations is None or row["destination"] in destinations
    )


def draw_discard(discard: Discard) -> RenderableType:
    """Draw what the workspace discards."""
    message = printable(discard.message)
    text = Text(f"{message[0].upper()}{message[1:]}.", "bold")
    text.append(f"\n→ {printable(discard.remedy)}.", "cyan")
    return Panel(text, border_style="red")


def draw_banner(banner: Banner) -> RenderableType:
    """Draw one."""
    needs_a_person = banner.state == "setup"
    said = "takes nothing until somebody acts" if needs_a_person else "is left alone for a while: too many calls failed"
    text = Text(f"{printable(banner.destination)} {said}. ", "bold")
    text.append(f"{count(banner.pending)} pending, since {day_and_time(banner.since_ms)} UTC. ")
    text.append(f"{banner.code}: {banner.description}")
    if banner.message:
        text.append(f"\n“{printable(banner.message)}”", "italic dim")
    if banner.action:
        text.append(f"\n→ {banner.action}", "cyan")
    return Panel(text, border_style="red" if needs_a_person else "yellow")
