"""However bundles of several partitions are mixed, repeated and cut by crashes, the same alert events come of them."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.topics.interface import Record
from model.alerts.alert_event import AlertEvent
from model.durations import MINUTE_MS
from tests.kit.alert_samples import delivery, row
from tests.kit.alerting import START, Evaluating, Knowing, bundle, rule, said, through_pickle

MINUTES = 9
RULES = (
    rule("failed"),
    rule("rate", kind="delivery-rate", below_percent=60, minimum_deliveries=2,
         first_attempts_below_percent=50, minimum_first_attempts=2),
    rule("late", at_ms=START + 4 * MINUTE_MS, destination="mail"),
    rule("late", 2, at_ms=START + 6 * MINUTE_MS, destination="mail", enabled=False),
)  # fmt: skip
STATUSES = ("delivered", "discarded", "expired", "attempt_failed", "filtered")


@st.composite
def rows(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """Rows of an append minute; some tell of an earlier minute, some correct one."""
    found = []
    for _ in range(draw(st.integers(0, 2))):
        at_ms = START + (number - draw(st.integers(0, 2))) * MINUTE_MS
        status, count = draw(st.sampled_from(STATUSES)), draw(st.integers(-1, 4))
        if draw(st.booleans()):
            found.append(delivery(at_ms, status, count, first=max(0, count)))
        else:
            found.append(row(at_ms, status, count, destination="mail", mapping="all"))
    return found


@st.composite
def log(draw: st.DrawFn, partition: int) -> list[Record]:
    """A partition's bundles, after some of which recording went back to an earlier one."""
    bundles = []
    for number in range(MINUTES):
        states = []
        if partition == 0 and draw(st.integers(0, 3)) == 0:  # a destination says everything on one partition
            states = [said("crm", draw(st.sampled_from(["setup", "ok", "open"])), START + number * MINUTE_MS + 5)]
        bundles.append(bundle(number, *draw(rows(number)), states=states, partition=partition))
    written: list[Record] = []
    for number in range(MINUTES):
        written.append(bundles[number])
        if draw(st.integers(0, 4)) == 0:
            written.extend(bundles[draw(st.integers(0, number)) : number + 1])
    return written


@dataclass
class Reader:
    """Reads partitions as Bytewax does: state and positions go into a snapshot together."""

    logs: list[list[Record]]
    evaluating: Evaluating
    positions: list[int] = field(init=False)
    snapshot: Any = field(init=False)
    made: list[AlertEvent] = field(default_factory=list)
    repeated: list[AlertEvent] = field(default_factory=list)  # made since the snapshot, when it crashed

    def __post_init__(self) -> None:
        self.positions = [0] * len(self.logs)
        self.snap()

    def read(self, partition: int, count: int) -> None:
        """Take some records of a partition."""
        position = self.positions[partition]
        batch = self.logs[partition][position : position + count]
        if batch:
            self.positions[partition] += len(batch)
            self.made.extend(self.evaluating.take(*batch))

    def snap(self) -> None:
        """What is made so far is in the outbox."""
        self.snapshot = through_pickle((self.positions, len(self.made), self.evaluating.logic.snapshot()))

    def crash(self) -> None:
        """Go back to the last snapshot."""
        self.positions, kept, state = through_pickle(self.snapshot)
        self.repeated.extend(self.made[kept:])
        del self.made[kept:]
        self.evaluating.logic = self.evaluating.make(state)


def straight(logs: list[list[Record]]) -> dict[str, AlertEvent]:
    """Of one pass, a minute at a time, nothing twice."""
    evaluating = Evaluating(Knowing(*RULES), len(logs))
    by_minute = [{record.offset: record for record in log} for log in logs]
    found: list[AlertEvent] = []
    for number in range(MINUTES):
        for partition in by_minute:
            found.extend(evaluating.take(partition[number]))
    return {made.id: made for made in found}


STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)) | st.sampled_from(["snapshot", "crash"]), max_size=60)


@given(st.tuples(*map(log, range(3))), STEPS)
@settings(max_examples=25, deadline=None)
def test_the_same_alert_events_come_of_any_order_repetition_and_crash(
    logs: tuple[list[Record], ...], steps: Any
) -> None:
    expected = straight(list(logs))
    reader = Reader(list(logs), Evaluating(Knowing(*RULES), len(logs)))
    for step in steps:
        if step == "snapshot":
            reader.snap()
        elif step == "crash":
            reader.crash()
        else:
            reader.read(*step)
    for partition in range(len(logs)):
        reader.read(partition, 10 * MINUTES * MINUTES)
    assert sorted(made.id for made in reader.made) == sorted(expected)
    for made in reader.made + reader.repeated:
        assert made == expected[made.id]
