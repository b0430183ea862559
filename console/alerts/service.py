"""Everything the API about alerts needs, put together for one installation and its store."""

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
from console.data_dir import View
from flows.engine.clock import wall_clock_ms
from flows.runtime.installation import Deployment
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
        """Return every channel there is, with how it is as far as that is known: state is None before it is used."""
        health = {row["channel"]: row for row in self.view("alert_channel_health", {})}
        nothing = dict.fromkeys(("state", "since", "at", "code", "message", "sent_24h", "dropped_24h", "waiting"))
        return [
            {"channel": known.id, "type": known.type, "name": known.name, "target": known.target}
            | nothing
            | health.get(known.id, {})
            for known in self.targets().alerts.described()
        ]

    def backtest(self, rule: Rule, days: int, who: Caller) -> BacktestResult:
        """Return when a rule would have fired. Raises ValueError when it names what is not there."""
        targets = self.targets()
        check_rule(rule, targets, who.name)
        kept_days = targets.workspace.retention.store.minutes_days
        return run_backtest(self.view, rule, days=days, kept_days=kept_days, now_ms=self.clock())


def alerts_of(installation: Deployment, store: Store) -> Alerts:
    """Put it together; rules go by the workspace in force."""

    def targets() -> RuleTargets:
        return RuleTargets(installation.workspace, installation.workspace.alerts)

    def audit(fact: Audited) -> None:
        append_facts(installation.topics, [fact])

    rules = Rules(store, audit, targets, wall_clock_ms, partial(secrets.token_hex, ID_BYTES))
    tester = ChannelTester(store, audit, targets, wall_clock_ms, partial(secrets.token_hex, 16))
    return Alerts(rules, lambda name, parameters: store.view(name, **parameters), targets, tester, wall_clock_ms)
