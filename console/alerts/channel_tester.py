"""Tests a channel: sends one test message at once, and returns the channel's response."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from console.access import Caller, audited
from console.alerts.rule_checks import RuleTargets, check_channel
from flows.workspace.outbound import outbound_of
from model.alerts.notification import Change, Notification
from model.alerts.rule import IN_APP
from model.recording.facts import Audited
from model.workspace.permissions import Action
from sinks.channels.calls import ChannelCalls
from sinks.channels.catalogue import open_channels
from sinks.channels.channel import SendResult, SendStatus
from sinks.clickhouse.store import Store, StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTestResult:
    """The response to a test message. ``taken``: the channel accepted it."""

    channel: str
    message_id: str
    taken: bool
    outcome: SendStatus
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ChannelTester:
    """``audit``: keeps a record of who did what, durable on return. ``clock``: Unix ms. ``new_id``: 32 hex digits."""

    store: Store
    audit: Callable[[Audited], None]
    targets: Callable[[], RuleTargets]
    clock: Callable[[], int]
    new_id: Callable[[], str]

    def test(self, channel: str, who: Caller) -> ChannelTestResult:
        """Send a test message to a channel as rules name it. It is not retried, and no count includes it.

        Raises ValueError for an unknown channel, and what the store and ``audit`` raise.
        """
        targets = self.targets()
        target = check_channel(channel, targets, who.name)
        notification = Notification(
            id=self.new_id(),
            change=Change.TEST,
            rule_id="",
            rule_name="",
            title="Waybill reaches this channel",
            summary="Somebody is testing whether alerts arrive here. Nothing is wrong, and there is nothing to do.",
            at_ms=self.clock(),
            facts=(("Sent by", who.name),),
        )
        details = {"message_id": notification.id}
        run = f"alert-test-{notification.id}"
        self.audit(audited(who, Action.TEST_CHANNEL, target.channel, details, at_ms=notification.at_ms, run=run))
        if target.channel == IN_APP:
            sent = self._put_in_app(notification, who)
        else:
            config = targets.workspace.delivery
            with closing(ChannelCalls(config.allow_addresses, outbound_of(config))) as calls:
                sent = open_channels(targets.alerts, calls, self.clock)[target.channel].send(
                    [notification], target.recipient
                )
            if sent.outcome is SendStatus.OK:
                # Alerting uses the channel again if it had disabled it.
                now_ms = self.clock()
                working = {"channel": target.channel, "state": "ok", "since": now_ms, "at": now_ms}
                self.store.insert("alert_channels", [working])
        return ChannelTestResult(
            channel=target.channel,
            message_id=notification.id,
            taken=sent.outcome is SendStatus.OK,
            outcome=sent.outcome,
            code=sent.code,
            message=sent.message,
        )

    def _put_in_app(self, notification: Notification, who: Caller) -> SendResult:
        row = {
            "message_id": notification.id,
            "change": notification.change,
            "channel": IN_APP,
            "recipient": who.name,
            "state": "sent",
            "attempts": 1,
            "at": notification.at_ms,
            "title": notification.title,
            "summary": notification.summary,
            "version": 1,
        }
        if refused := self.store.insert("alert_messages", [row]):
            raise StoreError(f"{self.store.name} refused the message: {refused[0].reason}")
        return SendResult(outcome=SendStatus.OK)
