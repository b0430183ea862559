"""The step from closed minutes to alert events: windows, rules, states. One key: a window spans all partitions."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from bytewax.operators import StatefulBatchLogic

from flows.alerting.minute_assembly import Minute, MinuteAssembler, read_bundle
from flows.topics.interface import Record
from model.alerts.alert_event import AlertEvent
from model.alerts.evaluator import evaluate_minute
from model.alerts.measurement import History
from model.alerts.records import from_record, to_record
from model.alerts.state import NEVER_FIRED, Check, RuleState, StateKey
from model.alerts.system import DestinationStatus, default_channels, destination_removed, setup, setup_rule_id
from model.alerts.version import RuleVersion, newest
from model.alerts.windows import Windows
from model.durations import MINUTE_MS
from model.events.envelope import UnreadableRecord
from model.workspace.workspace import Workspace

EVALUATION_VERSION = 1

log = logging.getLogger("waybill.alerting")


class Known(History, Protocol):
    """The rules, and data from before the windows' start: see `flows.alerting.store_queries`."""

    def versions(self, from_ms: int) -> list[RuleVersion] | None: ...
    def first_events(self, to_ms: int) -> dict[str, int] | None: ...


class Evaluation(StatefulBatchLogic[Record, AlertEvent, dict[str, Any]]):
    """Evaluates each closed minute once: minute parts seen before are skipped; state and position resume together."""

    def __init__(
        self,
        partitions: int,
        known: Known,
        workspace: Callable[[], Workspace],
        clock: Callable[[], int],
        minute_seen: Callable[[], None],
        resume_state: dict[str, Any] | None,
    ) -> None:
        """``partitions``: of topic outcomes. ``clock``: Unix ms. ``minute_seen``: called when minutes are complete."""
        self._known = known
        self._workspace = workspace
        self._clock = clock
        self._minute_seen = minute_seen
        self._assembler = MinuteAssembler(partitions)
        self._windows: Windows | None = None
        self._states: dict[StateKey, RuleState] = {}
        self._blocked: dict[str, DestinationStatus] = {}  # destinations that refuse every call, by name
        self._versions: list[RuleVersion] = []
        self._knows_first_events = False
        if resume_state is not None:
            self._resume(resume_state, partitions)

    def on_batch(self, values: list[Record]) -> tuple[Iterable[AlertEvent], bool]:
        """Add minute parts, and evaluate the minutes that are complete now."""
        for record in values:
            try:
                self._assembler.add(read_bundle(record.value))
            except UnreadableRecord as error:  # written by recording; the other minutes are still correct
                log.error(
                    "topic %(topic)s %(partition)d/%(offset)d: %(error)s",
                    {"topic": "minutes", "partition": record.partition, "offset": record.offset, "error": error},
                )
        minutes = list(self._assembler.complete())
        if not minutes:
            return [], StatefulBatchLogic.RETAIN
        self._minute_seen()  # only now: while a minute waits for a partition, no alert can fire
        found = self._known.versions(minutes[0].minute_ms)
        if found is not None:
            self._versions = found
        alert_events: list[AlertEvent] = []
        for minute in minutes:
            alert_events.extend(self._evaluate(minute))
        return alert_events, StatefulBatchLogic.RETAIN

    def snapshot(self) -> dict[str, Any]:
        """The whole state, so that state and position resume together."""
        return {
            "v": EVALUATION_VERSION,
            "bundles": self._assembler.to_record(),
            "windows": None if self._windows is None else self._windows.to_record(),
            "states": [(key.rule_id, str(key.check), to_record(state)) for key, state in self._states.items()],
            "blocked": [(s.destination, s.at_ms, s.state, s.code, s.message) for s in self._blocked.values()],
            "versions": [version.as_row() for version in self._versions],
            "knows_first_events": self._knows_first_events,
        }

    def _resume(self, record: dict[str, Any], partitions: int) -> None:
        if record.get("v") != EVALUATION_VERSION:
            raise ValueError(f"alerting's snapshot has version {record.get('v')}: run a Waybill that reads it")
        self._assembler = MinuteAssembler.from_record(record["bundles"], partitions)
        self._windows = None if record["windows"] is None else Windows.from_record(record["windows"])
        self._states = {
            StateKey(rule_id, Check(check)): from_record(RuleState, state) for rule_id, check, state in record["states"]
        }
        self._blocked = {reported[0]: DestinationStatus(*reported) for reported in record["blocked"]}
        self._versions = [RuleVersion.from_row(row) for row in record["versions"]]
        self._knows_first_events = record["knows_first_events"]

    def _evaluate(self, minute: Minute) -> list[AlertEvent]:
        now_ms = self._clock()
        end_ms = minute.minute_ms + MINUTE_MS
        if self._windows is None:
            self._windows = Windows(minute.minute_ms)
        windows = self._windows
        windows.advance_to(end_ms)
        windows.add(minute.rows)
        if not self._knows_first_events and (firsts := self._known.first_events(end_ms)) is not None:
            for source, first_ms in firsts.items():
                windows.note_first_event(source, first_ms)
            self._knows_first_events = True
        alert_events = self._evaluate_destinations(minute, end_ms, now_ms)
        changed, made = evaluate_minute(newest(self._versions, end_ms), self._states, windows, self._known, now_ms)
        self._states.update(changed)
        return alert_events + made

    def _evaluate_destinations(self, minute: Minute, end_ms: int, now_ms: int) -> list[AlertEvent]:
        """Waybill's built-in rule: alert when a destination refuses every call, until a person has fixed it."""
        alert_events = []
        for state in minute.states:
            try:
                reported = DestinationStatus.from_bundle(state)
            except (KeyError, TypeError) as error:
                log.error("topic minutes: a destination's state that cannot be read: %r", error)
                continue
            last = self._blocked.get(reported.destination)
            # Not before an earlier reminder: people see the newest state.
            reported = replace(reported, at_ms=max(reported.at_ms, last.at_ms)) if last else reported
            alert_events.extend(self._evaluate_destination(reported, end_ms, now_ms))
        for reported in list(self._blocked.values()):  # evaluated every minute, for reminders
            alert_events.extend(self._evaluate_destination(replace(reported, at_ms=end_ms), end_ms, now_ms))
        return alert_events

    def _evaluate_destination(self, reported: DestinationStatus, end_ms: int, now_ms: int) -> list[AlertEvent]:
        workspace = self._workspace()
        channels = default_channels(workspace.alerts.always)
        key = StateKey(setup_rule_id(reported.destination), Check.SETUP)
        before = self._states.get(key, NEVER_FIRED)
        if reported.destination in workspace.http_destinations():
            after, made = setup(reported, before, channels, now_ms)
        else:
            after, made = destination_removed(reported.destination, before, end_ms, channels)
        if not after.firing:
            self._blocked.pop(reported.destination, None)
            self._states.pop(key, None)
        else:
            self._states[key] = after
            if reported.state == "setup":
                self._blocked[reported.destination] = reported
        return [] if made is None else [made]
