"""A test of a channel: one message that says it is one, sent at once, and what the other side said."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import orjson

from console.access import Caller
from console.alerts.rule_checks import RuleTargets, check_channel
from flows.workspace.outbound import outbound_of
from model.alerts.notice import Change, Notice
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


class ChannelTester:
    """``audit``: keeps a record of who did what, durable on return. ``clock``: Unix ms. ``new_id``: 32 hex digits."""

    def __init__(
        self,
        store: Store,
        audit: Callable[[Audited], None],
        targets: Callable[[], RuleTargets],
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._audit = audit
        self._targets = targets
        self._clock = clock
        self._new_id = new_id

    def test(self, channel: str, who: Caller) -> ChannelTestResult:
        """Send a test to a channel as rules name it; it is not repeated, and is in no count.

        Raises ValueError for a channel that is not there, and what the store and ``audit`` raise.
        """
        targets = self._targets()
        target = check_channel(channel, targets, who.name)
        notice = Notice(
            id=self._new_id(),
            change=Change.TEST,
            rule_id="",
            rule_name="",
            title="Waybill reaches this channel",
            summary="Somebody tries whether alerts arrive here. Nothing is wrong, and nothing is to be done.",
            at_ms=self._clock(),
            facts=(("Sent by", who.name),),
        )
        self._say(target.channel, who, notice)
        if target.channel == IN_APP:
            sent = self._put_in_app(notice, who)
        else:
            config = targets.workspace.delivery
            with closing(ChannelCalls(config.allow_addresses, outbound_of(config))) as calls:
                sent = open_channels(targets.alerts, calls, self._clock)[target.channel].send(
                    [notice], target.recipient
                )
            if sent.outcome is SendStatus.OK:
                self._note_working(target.channel)
        return ChannelTestResult(
            channel=target.channel,
            message_id=notice.id,
            taken=sent.outcome is SendStatus.OK,
            outcome=sent.outcome,
            code=sent.code,
            message=sent.message,
        )

    def _say(self, channel: str, who: Caller, notice: Notice) -> None:
        self._audit(
            Audited(
                at_ms=notice.at_ms,
                run=f"alert-test-{notice.id}",
                author=who.name,
                role=who.role,
                action=Action.TEST_CHANNEL,
                subject=channel,
                details=orjson.dumps({"message_id": notice.id}).decode(),
            )
        )

    def _note_working(self, channel: str) -> None:
        """By this, alerting uses a channel again that it had disabled."""
        now_ms = self._clock()
        self._store.insert("alert_channels", [{"channel": channel, "state": "ok", "since": now_ms, "at": now_ms}])

    def _put_in_app(self, notice: Notice, who: Caller) -> SendResult:
        row = {
            "message_id": notice.id,
            "change": notice.change,
            "channel": IN_APP,
            "recipient": who.name,
            "state": "sent",
            "attempts": 1,
            "at": notice.at_ms,
            "title": notice.title,
            "summary": notice.summary,
            "version": 1,
        }
        if refused := self._store.insert("alert_messages", [row]):
            raise StoreError(f"{self._store.name} refused the message: {refused[0].reason}")
        return SendResult(outcome=SendStatus.OK)
