"""`waybill recover`: a flow whose recovery directory was lost starts again where nothing is lost.

Delivery restarts at the settled positions of its last watermark report: what it was working on since is
read again, and marked so that it is counted once. Recording restarts at the oldest fact kept: its rows fold. Alerting
restarts at the oldest minute kept: what it finds there that is older than an hour is recorded, and nobody is notified.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, installed, print_json
from console.data_dir import exclusive
from console.errors import explain_errors
from flows.alerting.dataflow import FLOW as ALERTING
from flows.delivery.dataflow import FLOW as DELIVERY
from flows.delivery.dataflow import SOURCES
from flows.delivery.routing.replay_marks import REPLAY_MARKS_DIRECTORY, write_crashed
from flows.recording.dataflow import FLOW as RECORDING
from flows.runtime.installation import Deployment
from flows.runtime.recovery import last_committed, reset_recovery, set_start_offset
from flows.topics.interface import MINUTES, OUTCOMES, Topics
from model.durations import MINUTE_MS


@dataclass(frozen=True, slots=True)
class Start:
    """Where one partition is read from again."""

    topic: str
    partition: int
    offset: int
    again: int  # records between there and the end of the log
    gone: int  # records before the earliest one kept that may not have been handled


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """What `apply_recovery` does."""

    flow: str
    starts: tuple[Start, ...]
    known: bool  # the positions come from the flow itself, not from the beginning of the log

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {"flow": self.flow, "known": self.known, "starts": [vars_of(start) for start in self.starts]}


def vars_of(start: Start) -> dict[str, Any]:
    """The fields by name."""
    return {name: getattr(start, name) for name in Start.__dataclass_fields__}


def recover(
    flow: Annotated[
        str, typer.Argument(help="The flow whose recovery directory was lost: delivery, recording, alerting.")
    ],
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    json: AsJson = False,
) -> None:
    """Start a flow again whose recovery directory was lost, at the last position it published."""
    with explain_errors(), installed(workspace, data) as installation, exclusive(data):
        plan = plan_recovery(installation, flow)
        if not json:
            render(plan, Console())
        if not yes and not typer.confirm("Start there?", err=True):
            raise typer.Exit(2)
        apply_recovery(installation, plan)
    if json:
        print_json(plan.to_json())


def plan_recovery(installation: Deployment, flow: str) -> RecoveryPlan:
    """Work out where the flow can start. Raises ValueError for an unknown flow.

    Nothing else may run on the installation, until `apply_recovery` is done: `console.data_dir.exclusive`.
    """
    read = {DELIVERY: SOURCES, RECORDING: (OUTCOMES,), ALERTING: (MINUTES,)}
    if flow not in read:
        raise ValueError(f"there is no flow {flow!r}; there are {', '.join(read)}")
    topics = installation.topics
    settled = last_committed(topics) if flow == DELIVERY else None
    starts = []
    for topic in read[flow]:
        for partition in range(topics.partitions(topic)):
            earliest, end = topics.bounds(topic, partition)
            wanted = (settled or {}).get((topic, partition), earliest)
            if flow == RECORDING:
                wanted = earliest = _first_whole_minute(topics, partition, earliest)
            offset = min(max(earliest, wanted), end)
            starts.append(Start(topic, partition, offset, end - offset, max(0, earliest - wanted)))
    return RecoveryPlan(flow, tuple(starts), settled is not None)


def _first_whole_minute(topics: Topics, partition: int, earliest: int) -> int:
    """Where the first append minute begins that retention has not cut: a part of one would overwrite the whole."""
    if earliest == 0:
        return 0
    reader = topics.reader(OUTCOMES, partition, earliest)
    records = reader.read(1, 1)
    reader.close()
    return (
        topics.offset_at(OUTCOMES, partition, (records[0].appended_ms // MINUTE_MS + 1) * MINUTE_MS)
        if records
        else earliest
    )


def apply_recovery(installation: Deployment, plan: RecoveryPlan) -> None:
    """Make a new recovery directory that starts as planned."""
    topics, recovery = installation.topics, installation.recovery(plan.flow)
    set_start_offset(topics, plan.flow, {(start.topic, start.partition): start.offset for start in plan.starts})
    if plan.flow == DELIVERY:
        # Before anything can start: a run that knew nothing of this would take what it reads again for new.
        ends = {(start.topic, start.partition): start.offset + start.again for start in plan.starts}
        write_crashed(recovery / REPLAY_MARKS_DIRECTORY, ends)
    reset_recovery(topics, plan.flow, recovery)


def render(plan: RecoveryPlan, console: Console) -> None:
    """Show it."""
    if plan.flow == DELIVERY and not plan.known:
        console.print(
            "[bold yellow]The flow has published no position[/]: it starts at the oldest event kept, "
            "and everything since is sent again."
        )
    table = Table(title=f"Where {plan.flow} starts again")
    for name, justify in (("Topic", "left"), ("Partition", "right"), ("Offset", "right"), ("Read again", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    for start in plan.starts:
        if start.again or start.gone:
            gone = f" ({start.gone} fell off the log)" if start.gone else ""
            table.add_row(start.topic, str(start.partition), str(start.offset), f"{start.again}{gone}")
    console.print(table if table.row_count else "Nothing has to be read again.")
