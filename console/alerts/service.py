"""Everything the API about alerts needs, put together for one installation and its store."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from console.access import Caller
from console.alerts.backtest import run_backtest
from console.alerts.channel_tester import ChannelTester
from console.alerts.rule_checks import Setting, check_rule
from console.alerts.rules import Rules
from console.data_dir import View
from flows.engine.clock import wall_clock_ms
from flows.operations.test_event import keep
from flows.runtime.installation import Deployment
from model.alerts.rule import Rule
from model.recording.facts import Audited
from model.workspace.workspace import Workspace
from sinks.clickhouse.store import Store

ID_BYTES = 5


@dataclass(frozen=True, slots=True)
class Alerts:
    """``clock``: Unix ms. Every method raises what the store raises."""

    rules: Rules
    view: View
    setting: Callable[[], Setting]
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
            for known in self.setting().alerts.described()
        ]

    def backtest(self, rule: Rule, days: int, who: Caller) -> dict[str, Any]:
        """Return when a rule would have fired. Raises ValueError when it names what is not there."""
        setting = self.setting()
        check_rule(rule, setting, who.name)
        kept_days = setting.workspace.retention.store.minutes_days
        return run_backtest(self.view, rule, days=days, kept_days=kept_days, now_ms=self.clock()).to_json()

    def test_channel(self, channel: str, who: Caller) -> dict[str, Any]:
        """Send a test message and return what came of it. Raises ValueError for a channel that is not there."""
        return self.tester.test(channel, who)


def alerts_of(installation: Deployment, store: Store) -> Alerts:
    """Put it together; rules go by the workspace in force."""

    def setting() -> Setting:
        return setting_of(installation.workspace)

    def audit(said: Audited) -> None:
        keep(installation.topics, [said])

    rules = Rules(store, audit, setting, wall_clock_ms, partial(secrets.token_hex, ID_BYTES))
    tester = ChannelTester(store, audit, setting, wall_clock_ms, partial(secrets.token_hex, 16))
    return Alerts(rules, lambda name, parameters: store.view(name, **parameters), setting, tester, wall_clock_ms)


def setting_of(workspace: Workspace) -> Setting:
    """What the rules of a workspace can name."""
    return Setting(workspace, workspace.alerts)
