"""`waybill recover`: restarts a flow whose recovery directory was lost, at a position from which nothing is missed.

Delivery restarts at the settled positions of its last watermark report. It reads everything since then again and marks
it, so that it is counted once. Recording restarts at the oldest fact kept: its rows fold. Alerting restarts at the
oldest minute kept: a change that is more than an hour old is recorded, and nobody is notified.
"""

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, opened_deployment, print_json
from console.data_dir import exclusive
from console.errors import explain_errors
from flows.alerting.dataflow import FLOW as ALERTING
from flows.delivery.dataflow import FLOW as DELIVERY
from flows.delivery.dataflow import SOURCES
from flows.delivery.replay_marks import REPLAY_MARKS_DIRECTORY, write_crashed
from flows.recording.dataflow import FLOW as RECORDING
from flows.runtime.deployment import Deployment
from flows.runtime.recovery import last_committed, reset_recovery, set_start_offset
from flows.topics.interface import MINUTES, OUTCOMES, Topics
from model.durations import MINUTE_MS


@dataclass(frozen=True, slots=True)
class Start:
    """Offset at which one partition is read again."""

    topic: str
    partition: int
    offset: int
    again: int  # records between the offset and the end of the log
    gone: int  # records that retention has deleted and that may not have been handled


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """The plan that `apply_recovery` carries out."""

    flow: str
    starts: tuple[Start, ...]
    known: bool  # whether the flow published the offsets; otherwise they are the beginning of the log

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON types."""
        return {**asdict(self), "starts": [asdict(start) for start in self.starts]}


def recover(
    flow: Annotated[
        str, typer.Argument(help="The flow whose recovery directory was lost: delivery, recording, alerting.")
    ],
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    yes: Annotated[bool, typer.Option("--yes", help="Restart without asking.")] = False,
    json: AsJson = False,
) -> None:
    """Restart a flow whose recovery directory was lost, at the last position it published."""
    with explain_errors(), opened_deployment(workspace, data) as deployment, exclusive(data):
        plan = plan_recovery(deployment, flow)
        if not json:
            render(plan, Console())
        if not yes and not typer.confirm("Start there?", err=True):
            raise typer.Exit(2)
        apply_recovery(deployment, plan)
    if json:
        print_json(plan.to_json())


def plan_recovery(deployment: Deployment, flow: str) -> RecoveryPlan:
    """Find the offsets at which the flow can restart. Raises ValueError for an unknown flow.

    Nothing else may run on the deployment until `apply_recovery` is done: `console.data_dir.exclusive`.
    """
    read = {DELIVERY: SOURCES, RECORDING: (OUTCOMES,), ALERTING: (MINUTES,)}
    if flow not in read:
        raise ValueError(f"there is no flow {flow!r}; there are {', '.join(read)}")
    topics = deployment.topics
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
    """Return the offset of the first append minute kept whole: rows of a partial one would replace whole ones."""
    if earliest == 0:
        return 0
    with closing(topics.reader(OUTCOMES, partition, earliest)) as reader:
        records = reader.read(1, 1)
    if not records:
        return earliest
    return topics.offset_at(OUTCOMES, partition, (records[0].appended_ms // MINUTE_MS + 1) * MINUTE_MS)


def apply_recovery(deployment: Deployment, plan: RecoveryPlan) -> None:
    """Create a recovery directory that starts at the planned offsets."""
    topics, recovery = deployment.topics, deployment.recovery(plan.flow)
    set_start_offset(topics, plan.flow, {(start.topic, start.partition): start.offset for start in plan.starts})
    if plan.flow == DELIVERY:
        # Written first: a run that started without the marks would count what it reads again as new.
        ends = {(start.topic, start.partition): start.offset + start.again for start in plan.starts}
        write_crashed(recovery / REPLAY_MARKS_DIRECTORY, ends)
    reset_recovery(topics, plan.flow, recovery)


def render(plan: RecoveryPlan, console: Console) -> None:
    """Print the plan as a table."""
    if plan.flow == DELIVERY and not plan.known:
        console.print(
            "[bold yellow]The flow has published no position[/]: it restarts at the oldest event kept, "
            "and sends everything since then again."
        )
    table = Table("Topic", title=f"Where {plan.flow} restarts")
    for name in ("Partition", "Offset", "Read again"):
        table.add_column(name, justify="right")
    for start in plan.starts:
        if start.again or start.gone:
            gone = f" ({start.gone} already deleted by retention)" if start.gone else ""
            table.add_row(start.topic, str(start.partition), str(start.offset), f"{start.again}{gone}")
    console.print(table if table.row_count else "Nothing has to be read again.")
