"""Everything that the alerts API needs, built for one deployment and its store."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from console.access import Caller
from console.alerts.backtest import BacktestResult, run_backtest
from console.alerts.channel_tester import ChannelTester
from console.alerts.rule_checks import RuleTargets, check_rule
from console.alerts.rules import Rules
from console.data_dir import View, view_of
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import Deployment
from flows.topics.records import append_facts
from model.alerts.rule import Rule
from model.recording.facts import Audited
from sinks.clickhouse.store import Store

ID_BYTES = 5


@dataclass(frozen=True, slots=True)
class Alerts:
    """``clock``: Unix ms. Every method raises what the store raises."""

    rules: Rules
    view: View
    targets: Callable[[], RuleTargets]
    tester: ChannelTester
    clock: Callable[[], int]

    def channels(self) -> list[dict[str, Any]]:
        """Return every channel with its health; state is None before the channel is used."""
        health = {row["channel"]: row for row in self.view("alert_channel_health", {})}
        nothing = dict.fromkeys(("state", "since", "at", "code", "message", "sent_24h", "dropped_24h", "waiting"))
        return [
            {"channel": known.id, "type": known.type, "name": known.name, "target": known.target}
            | nothing
            | health.get(known.id, {})
            for known in self.targets().alerts.described()
        ]

    def backtest(self, rule: Rule, days: int, who: Caller) -> BacktestResult:
        """Return when a rule would have fired. Raises ValueError when it names something that does not exist."""
        targets = self.targets()
        check_rule(rule, targets, who.name)
        kept_days = targets.workspace.retention.store.minutes_days
        return run_backtest(self.view, rule, days=days, kept_days=kept_days, now_ms=self.clock())


def alerts_of(deployment: Deployment, store: Store) -> Alerts:
    """Build it; rules are checked against the active workspace."""

    def targets() -> RuleTargets:
        return RuleTargets(deployment.workspace, deployment.workspace.alerts)

    def audit(fact: Audited) -> None:
        append_facts(deployment.topics, [fact])

    rules = Rules(store, audit, targets, wall_clock_ms, partial(secrets.token_hex, ID_BYTES))
    tester = ChannelTester(store, audit, targets, wall_clock_ms, partial(secrets.token_hex, 16))
    return Alerts(rules, view_of(store), targets, tester, wall_clock_ms)
