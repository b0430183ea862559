"""`waybill redrive`: sends again what a destination did not receive, after showing how much that is.

It makes no call itself. It appends the deliveries to the retry tiers, and the delivery flow sends them within all its
limits: now if it runs, or else when it is started.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from console.access import Caller, audited, local_author
from console.command_line import stop_signals
from console.data_dir import AlreadyRunning, View, find_server, open_lock, open_views, try_lock
from console.period import parse_time
from console.reports.banner import WAITING_MS, draw_banner, read_banners
from console.reports.render_parts import count, day_and_time, duration, printable
from flows.engine.clock import wall_clock_ms
from flows.operations.redrive import RateLimit, Redriver
from flows.operations.redrive_ledger import RedrivePlan
from flows.runtime.deployment import Deployment
from flows.workspace.compiled import compile_workspace
from model.config.problems import did_you_mean, quoted
from model.delivery.delivery import Delivery
from model.delivery.redrive import Choice, Earlier, Lookup, Skip
from model.destinations.catalogue import reason
from model.workspace.permissions import Role
from model.workspace.workspace import Workspace

_WHY = {
    Skip.PENDING: "a redrive of them is in progress",
    Skip.RECOVERED: "already recovered by a redrive",
    Skip.FAILED_AGAIN: "a redrive of them failed too, with a code that was not chosen",
    Skip.GONE: "their connection or mapping is disabled or no longer in the workspace",
}


@dataclass(frozen=True, slots=True)
class Result:
    """Result of the command. ``redrive_id`` is '' when nothing was sent."""

    choice: Choice
    plan: RedrivePlan
    redrive_id: str = ""
    sent: int = 0
    stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON types; times are Unix ms."""
        return {
            **_filters(self.choice),
            "to_send": self.plan.total,
            "groups": [group._asdict() for group in self.plan.groups],
            "skipped": {str(why): self.plan.skipped.get(why, 0) for why in Skip},
            "unreadable": self.plan.unreadable,
            "redrive_id": self.redrive_id,
            "sent": self.sent,
            "stopped": self.stopped,
        }


def choose(workspace: Workspace, destination: str, codes: Iterable[str], from_text: str, to_text: str) -> Choice:
    """Read the options. Raises ValueError for a destination that Waybill does not deliver to."""
    from_ms, to_ms = parse_time(from_text, "--from"), parse_time(to_text, "--to")
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise typer.BadParameter("--from must be before --to")
    delivered = workspace.http_destinations()
    destination = next((known.id for known in delivered.values() if destination in known.was), destination)
    if destination not in delivered:
        if any(destination == other.id for other in workspace.destinations):
            raise ValueError(f"destination {quoted(destination)} is loaded in bulk: Waybill keeps no deliveries for it")
        known = f"There are {', '.join(delivered) or 'none'}"
        raise ValueError(
            f"there is no destination {quoted(destination)} in the workspace. "
            f"{did_you_mean(destination, delivered, known)}"
        )
    was = delivered[destination].was
    return Choice(destination=destination, was=was, codes=frozenset(codes), from_ms=from_ms, to_ms=to_ms)


@contextmanager
def redrive_lock(data: Path) -> Iterator[None]:
    """Allow one redrive at a time on a data directory. Raises `AlreadyRunning`, and OSError without a directory."""
    with open_lock(data / "redrives.lock") as lock:
        if not try_lock(lock):
            raise AlreadyRunning(f"another redrive runs on {data}: wait until it ends, or stop it with Ctrl-C")
        yield


def run(
    deployment: Deployment,
    choice: Choice,
    *,
    rate_per_second: int,
    agreed: Callable[[RedrivePlan], bool],
    console: Console,
) -> Result:
    """Count, and send if ``agreed`` returns true for the plan; Ctrl-C stops after the current chunk.

    Raises what reading topics and views raises.
    """
    data, redrive_id = deployment.data, secrets.token_hex(8)
    with closing(Redriver(deployment.topics, data, clock=wall_clock_ms)) as redriving:
        with open_views(data, deployment.store_url) as view:
            plan = redriving.plan(choice, _lookup(view, choice), _gone(deployment.workspace))
            now_ms = wall_clock_ms()
            if plan.total:
                for banner in read_banners(view, now_ms - WAITING_MS, now_ms, {choice.destination}):
                    console.print(draw_banner(banner))
        if not agreed(plan):
            return Result(choice, plan)
        who = Caller(local_author(), Role.OWNER)  # who may open the data directory
        details = {**_filters(choice), "deliveries": plan.total, "rate": rate_per_second}
        fact = audited(who, "redrive", choice.destination, details, at_ms=wall_clock_ms(), run=redrive_id)
        columns = (TextColumn("Sending again"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        with stop_signals() as stop, Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=plan.total)
            pace = RateLimit(rate_per_second, stop.wait, time.monotonic)
            sent = redriving.send(fact, pace, lambda so_far: progress.update(task, completed=so_far))
            stopped = stop.is_set() and sent < plan.total
    return Result(choice, plan, redrive_id, sent, stopped)


def render_plan(plan: RedrivePlan, choice: Choice, rate_per_second: int, console: Console) -> None:
    """Print what would be sent, by code, and what would not be, and why."""
    name = printable(choice.destination)
    if plan.groups:
        table = Table(title=f"Not delivered to {name}, to be sent again", title_justify="left")
        table.add_column("State", no_wrap=True)
        table.add_column("Code", overflow="fold")
        table.add_column("Count", justify="right", no_wrap=True)
        table.add_column("What happened")
        for group in plan.groups:
            words = Text(reason(group.code).description)
            table.add_row(Text(group.state, "red"), Text(printable(group.code)), count(group.deliveries), words)
        console.print(table)
        takes = duration(plan.total * 1_000 / rate_per_second)
        console.print(Text(f"  {count(plan.total)} to be sent, at {count(rate_per_second)} a second: {takes} or more."))
    else:
        console.print(Text(f"Nothing to send: no dead letter of {name}{_chosen(choice)} is still undelivered."))
    for why, number in plan.skipped.items():
        console.print(Text(f"  {count(number)} not sent: {_WHY[why]}.", "dim"))
    if plan.unreadable:
        unreadable = "dead letters, of any destination, hold no readable delivery; they are kept"
        console.print(Text(f"  {count(plan.unreadable)} {unreadable}.", "yellow"))


def render_result(result: Result, data: Path, console: Console) -> None:
    """Print how many were queued."""
    sent, total = count(result.sent), count(result.plan.total)
    if result.stopped:
        console.print(
            Text(
                f"Stopped: {sent} of {total} are queued. Run the same command again for the rest; "
                "nothing is sent twice.",
                "yellow",
            )
        )
        return
    when = "" if find_server(data) else " They are sent when `waybill up` runs."
    console.print(Text(f"{sent} are queued.{when} `waybill report` shows their outcomes.", "green"))
    if result.sent < result.plan.total:
        gone = count(result.plan.total - result.sent)
        console.print(Text(f"{gone} were deleted meanwhile: their retention ended.", "yellow"))


def _chosen(choice: Choice) -> str:
    codes = f" with code {printable(', '.join(sorted(choice.codes)))}" if choice.codes else ""
    since = "" if choice.from_ms is None else f" from {day_and_time(choice.from_ms)}"
    until = "" if choice.to_ms is None else f" to {day_and_time(choice.to_ms)}"
    return f"{codes}{since}{until}{' (UTC)' if since or until else ''}"


def _filters(choice: Choice) -> dict[str, Any]:
    return {
        "destination": choice.destination,
        "codes": sorted(choice.codes),
        "from_ms": choice.from_ms,
        "to_ms": choice.to_ms,
    }


def _lookup(view: View, choice: Choice) -> Lookup:
    def ask(roots: list[str]) -> dict[str, Earlier]:
        found: dict[str, Earlier] = {}
        for name in (choice.destination, *choice.was):
            for row in view("redrives", {"destination": name, "delivery_ids": roots}):
                found[row["first_delivery_id"]] = Earlier(row["number"], row["state"], row["recovered_at"] > 0)
        return found

    return ask


def _gone(workspace: Workspace) -> Callable[[Delivery], bool]:
    configuration = compile_workspace(workspace)

    def is_gone(delivery: Delivery) -> bool:
        if configuration.disabled_reason(delivery) is not None:
            return True
        return configuration.plans[delivery.source, delivery.destination].mapping(delivery.mapping) is None

    return is_gone


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Draw the rate in deliveries a second."""
        return Text(f"{count(round(task.speed or 0))}/s", "dim")
