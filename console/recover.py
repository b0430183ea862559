"""`waybill recover`: a flow whose recovery directory was lost starts again where nothing is lost.

Delivery restarts at the settled positions of its last watermark report: everything below them has an outcome or a retry
record. What it was working on since is read again, and marked so that it is counted once. Recording restarts at the
oldest fact kept: its rows fold. Alerting restarts at the oldest minute kept: what it finds there that is older than an
hour is recorded, not told.
"""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.alerting.dataflow import FLOW as ALERTING
from flows.delivery.dataflow import FLOW as DELIVERY
from flows.delivery.dataflow import SOURCES
from flows.delivery.replay_marks import REPLAY_MARKS_DIRECTORY, write_lost
from flows.recording.dataflow import FLOW as RECORDING
from flows.runtime.installation import Deployment
from flows.runtime.positions import last_committed, set_start_offset
from flows.runtime.recovery import reset_recovery
from flows.topics.interface import MINUTES, OUTCOMES, Topics
from model.durations import MINUTE_MS

Part = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Start:
    """Where one partition is read from again."""

    topic: str
    partition: int
    offset: int
    again: int  # records between there and the end of the log
    gone: int  # records before the earliest one kept that may not have been handled


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` will do."""

    flow: str
    starts: tuple[Start, ...]
    known: bool  # the positions come from the flow itself, not from the beginning of the log

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {"flow": self.flow, "known": self.known, "starts": [vars_of(start) for start in self.starts]}


def vars_of(start: Start) -> dict[str, Any]:
    """The fields by name."""
    return {name: getattr(start, name) for name in Start.__dataclass_fields__}


def plan(installation: Deployment, flow: str) -> Plan:
    """Work out where the flow can start. Raises ValueError for an unknown flow.

    Nothing else may run on the installation, until `apply` is done: `console.data_dir.exclusive`.
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
    return Plan(flow, tuple(starts), settled is not None)


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


def apply(installation: Deployment, plan: Plan) -> None:
    """Make a new recovery directory that starts as planned."""
    topics, recovery = installation.topics, installation.recovery(plan.flow)
    set_start_offset(topics, plan.flow, {(start.topic, start.partition): start.offset for start in plan.starts})
    if plan.flow == DELIVERY:
        # Before anything can start: a run that knew nothing of this would take what it reads again for new.
        ends = {(start.topic, start.partition): start.offset + start.again for start in plan.starts}
        write_lost(recovery / REPLAY_MARKS_DIRECTORY, ends)
    reset_recovery(topics, plan.flow, recovery)


def render(plan: Plan, console: Console) -> None:
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
