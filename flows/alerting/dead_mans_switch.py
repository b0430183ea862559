"""Watches the monitor itself: nothing counted for three minutes of wall clock is an alert of its own.

It needs neither bundles nor the store, so it is told when all else stands still.
"""

from collections.abc import Callable

import orjson

from flows.alerting.notifications import messages_of
from flows.alerting.outbox import Outbox
from model.alerts.messages import notice_of
from model.alerts.state import RuleState
from model.alerts.system import BLIND_AFTER_MS, monitor_blind, told_on
from model.workspace.workspace import Workspace

_MARK = "monitor-blind"


class DeadMansSwitch:
    """`heard` is called by the flow, `look` every now and then by one other thread."""

    def __init__(self, outbox: Outbox, workspace: Callable[[], Workspace], clock: Callable[[], int]) -> None:
        self._outbox = outbox
        self._workspace = workspace
        self._clock = clock
        known = outbox.mark(_MARK)
        self._state = RuleState.from_record(orjson.loads(known)) if known else RuleState()
        # To start again is not to hear anything: what it was blind to it is still.
        self._seen_ms = self._state.since_ms - BLIND_AFTER_MS if self._state.firing else clock()

    def minute_seen(self) -> None:
        """Minutes were counted."""
        self._seen_ms = self._clock()

    def check(self) -> None:
        """Tell when nothing comes any more, and when something comes again."""
        workspace = self._workspace()
        state, transition = monitor_blind(self._seen_ms, self._state, told_on(workspace.alerts.always), self._clock())
        if transition is None:
            return
        messages = messages_of(transition, notice_of(transition), workspace) if transition.told else []
        self._outbox.put([transition], messages, (_MARK, orjson.dumps(state.to_record())))
        self._state = state
