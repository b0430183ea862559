"""Alerts when monitoring itself stops: when no minute was counted for three minutes of wall clock.

It needs neither topic minutes nor the store, so it works when everything else has stopped.
"""

from collections.abc import Callable

import orjson

from flows.alerting.notifications import messages_about
from flows.alerting.outbox import Outbox
from model.alerts.records import from_record, to_record
from model.alerts.state import RuleState
from model.alerts.system import BLIND_AFTER_MS, default_channels, monitor_blind
from model.workspace.workspace import Workspace

_MARK = "monitor-blind"


class DeadMansSwitch:
    """The flow calls `minute_seen`; one other thread calls `check` periodically."""

    def __init__(self, outbox: Outbox, workspace: Callable[[], Workspace], clock: Callable[[], int]) -> None:
        self._outbox = outbox
        self._workspace = workspace
        self._clock = clock
        known = outbox.mark(_MARK)
        self._state = from_record(RuleState, orjson.loads(known)) if known else RuleState()
        # A restart is no sign of life: an alert that was firing keeps firing until a minute is seen.
        self._seen_ms = self._state.since_ms - BLIND_AFTER_MS if self._state.firing else clock()

    def minute_seen(self) -> None:
        """Note that minutes were counted."""
        self._seen_ms = self._clock()

    def check(self) -> None:
        """Notify when minutes stop arriving, and when they arrive again."""
        workspace = self._workspace()
        state, alert_event = monitor_blind(
            self._seen_ms, self._state, default_channels(workspace.alerts.always), self._clock()
        )
        if alert_event is None:
            return
        messages = messages_about([alert_event], workspace)
        self._outbox.put([alert_event], messages, (_MARK, orjson.dumps(to_record(state))))
        self._state = state
