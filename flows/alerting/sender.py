"""Sends messages from the outbox to their channels.

Each channel gets at most one message a second; several queued notifications are sent as one message. When a channel
refuses every message, it is disabled and the other channels are notified.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import replace
from functools import partial

from flows.alerting.enrichment import NotificationEnricher
from flows.alerting.notifications import Message, MessageState, channel_disabled, message_to, messages_of
from flows.alerting.outbox import ChannelHealth, Outbox
from model.alerts.channels import EMAIL
from model.alerts.rule import IN_APP
from model.durations import DAY_MS
from model.workspace.workspace import Workspace
from sinks.channels.channel import Channel, SendResult, SendStatus

SPACING_MS = 1_000  # Slack accepts one message a second per channel
FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 600_000
GIVE_UP_AFTER_MS = DAY_MS

log = logging.getLogger("waybill.alerting")
OpenChannels = Callable[[Workspace], Mapping[str, Channel]]


class Sender:
    """One thread calls `work` periodically; ``executor`` makes the calls to channels."""

    def __init__(
        self,
        outbox: Outbox,
        workspace: Callable[[], Workspace],
        open_channels: OpenChannels,
        enricher: NotificationEnricher,
        clock: Callable[[], int],
        executor: Executor,
    ) -> None:
        """``open_channels``: the channels of a workspace; asked again when it has changed. ``clock``: Unix ms."""
        self._outbox = outbox
        self._workspace = workspace
        self._open_channels = open_channels
        self._enricher = enricher
        self._clock = clock
        self._executor = executor
        self._known: Workspace | None = None
        self._channels: Mapping[str, Channel] = {}
        self._sending: dict[str, Future[None]] = {}  # by channel
        self._next_ms: dict[str, int] = {}  # by channel: no message before

    def collect_finished(self) -> None:
        """Remove finished sends. Raises the error that kept a result from being recorded."""
        for channel, sending in list(self._sending.items()):
            if sending.done():
                del self._sending[channel]
                sending.result()

    def work(self) -> None:
        """Send what is due."""
        self.collect_finished()
        workspace = self._workspace()
        if workspace is not self._known:
            self._known, self._channels = workspace, self._open_channels(workspace)
        now_ms = self._clock()
        due_by_channel: dict[str, list[Message]] = {}
        for queued in self._outbox.queued(now_ms):
            due_by_channel.setdefault(queued.channel, []).append(queued)
        for channel, due in due_by_channel.items():
            if channel not in self._sending:
                self._send(channel, due, workspace, now_ms)

    def _send(self, channel: str, due: list[Message], workspace: Workspace, now_ms: int) -> None:
        ids = [queued.id for queued in due]
        sends = self._channels.get(channel)
        if sends is None:
            text = "the workspace has no such channel any more"
            self._outbox.record_result(ids, MessageState.DROPPED, code="UNKNOWN_CHANNEL", message=text)
            return
        identity = identity_of(workspace, channel)
        health = self._outbox.health(channel)
        if health is not None and health.state == "disabled" and health.identity == identity:
            self._outbox.record_result(ids, MessageState.DROPPED, code="CHANNEL_DISABLED", message=health.message)
            return
        if now_ms < self._next_ms.get(channel, 0):
            return
        self._next_ms[channel] = now_ms + SPACING_MS
        self._sending[channel] = self._executor.submit(self._deliver, channel, sends, due, workspace)

    def _deliver(self, channel: str, sends: Channel, due: list[Message], workspace: Workspace) -> None:
        """Send one message and record its result at once: after a crash between the two, it is sent again."""
        with closing(self._outbox.for_another_thread()) as outbox:
            batch = self._assign_batch(outbox, due, sends.max_notifications, workspace)
            sent = _try(channel, sends, batch)
            self._record_result(outbox, workspace, channel, batch, sent)

    def _assign_batch(self, outbox: Outbox, due: list[Message], most: int, workspace: Workspace) -> list[Message]:
        """The messages to send together with the oldest one, as stored before or decided now."""
        oldest = due[0]
        if oldest.batch_id:
            return outbox.batch(oldest.batch_id)
        together = [queued for queued in due if not queued.batch_id and queued.recipient == oldest.recipient][:most]
        base_url = workspace.alerts.base_url.value if workspace.alerts.base_url else ""
        batch = []
        for queued in together:
            alert_event = outbox.alert_event_of(queued.id)
            notification = queued.notification
            if alert_event is not None:
                notification = self._enricher.add(notification, alert_event, base_url)
            batch.append(replace(queued, notification=notification, batch_id=oldest.id))
        outbox.assign_batch(oldest.id, [(queued.id, queued.notification) for queued in batch])
        return batch

    def _record_result(
        self, outbox: Outbox, workspace: Workspace, channel: str, batch: list[Message], sent: SendResult
    ) -> None:
        """``workspace``: the version used for sending; another one may be active by now."""
        ids = [queued.id for queued in batch]
        now_ms = self._clock()
        record = partial(outbox.record_result, code=sent.code, message=sent.message)
        if sent.outcome is SendStatus.OK:
            record(ids, MessageState.SENT)
            self._record_health(outbox, workspace, channel, "ok", now_ms, sent)
        elif sent.outcome is SendStatus.CHANNEL_REFUSED:
            self._disable(outbox, workspace, channel, batch[0].id, now_ms, sent)
        elif sent.outcome is SendStatus.RETRY:
            asked_ms = round((sent.after_seconds or 0) * 1000)
            self._next_ms[channel] = now_ms + max(SPACING_MS, asked_ms)
            wait_ms = max(asked_ms, min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** min(batch[0].attempts, 10)))
            old = [queued.id for queued in batch if now_ms - queued.at_ms > GIVE_UP_AFTER_MS]
            record(old, MessageState.DROPPED)
            record([id_ for id_ in ids if id_ not in old], MessageState.FAILED, due_ms=now_ms + wait_ms)
            self._record_health(outbox, workspace, channel, "failing", now_ms, sent)
        elif sent.outcome is SendStatus.MESSAGE_REFUSED and len(batch) > 1:
            # Perhaps only one of them is refused.
            record(ids, MessageState.FAILED, alone=True)
        else:
            log.error(
                "alert channel %(channel)s refused a message: %(code)s %(error)s",
                {"channel": channel, "code": sent.code, "error": sent.message},
            )
            record(ids, MessageState.DROPPED)

    def _disable(
        self, outbox: Outbox, workspace: Workspace, channel: str, refused: str, now_ms: int, sent: SendResult
    ) -> None:
        log.error(
            "alert channel %(channel)s is disabled: %(code)s %(error)s",
            {"channel": channel, "code": sent.code, "error": sent.message},
        )
        undelivered = outbox.undelivered_on(channel)
        notification = channel_disabled(channel, sent.code, sent.message, now_ms, refused)
        others = {(IN_APP, "")}
        for queued in undelivered:
            alert_event = outbox.alert_event_of(queued.id)
            if alert_event is not None:
                others |= {(made.channel, made.recipient) for made in messages_of(alert_event, notification, workspace)}
        messages = [
            message_to(other, recipient, notification) for other, recipient in sorted(others) if other != channel
        ]
        # Notify first: after a crash in between, nobody would know about the messages dropped below.
        outbox.put([], messages)
        self._record_health(outbox, workspace, channel, "disabled", now_ms, sent)
        ids = [queued.id for queued in undelivered]
        outbox.record_result(ids, MessageState.DROPPED, code=sent.code, message=sent.message)

    def _record_health(
        self, outbox: Outbox, workspace: Workspace, channel: str, state: str, now_ms: int, sent: SendResult
    ) -> None:
        known = outbox.health(channel)
        identity = identity_of(workspace, channel)
        if known is not None and (known.state, known.identity, known.code) == (state, identity, sent.code):
            return
        since_ms = known.since_ms if known is not None and known.state == state else now_ms
        outbox.put_health(ChannelHealth(channel, identity, state, since_ms, now_ms, sent.code, sent.message))


def _try(channel: str, sends: Channel, batch: list[Message]) -> SendResult:
    try:
        return sends.send([queued.notification for queued in batch], batch[0].recipient)
    except Exception as error:  # a bug in Waybill must not block this message or the other channels
        log.error(
            "sending to alert channel %(channel)s failed because of a bug in Waybill: %(error)s",
            {"channel": channel, "error": type(error).__name__},
        )
        return SendResult(outcome=SendStatus.RETRY, code="INTERNAL", message="a bug in Waybill; see its log")


def identity_of(workspace: Workspace, channel: str) -> str:
    """Digest of a channel's configuration: a disabled channel is enabled again when its configuration changes."""
    alerts = workspace.alerts
    if channel == EMAIL:
        parts = [alerts.smtp.model_dump_json(), *sorted(alerts.smtp.secret_values())] if alerts.smtp else []
    else:
        of = [known for known in alerts.channels if known.id == channel]
        parts = [text for known in of for text in (known.model_dump_json(exclude={"name"}), known.url.value)]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
