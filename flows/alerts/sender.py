"""Takes messages out of the outbox and hands them to their channels: one message a second each, several notices in one
when several wait. What a channel refuses for good is told on the others."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from flows.alerts.details import Details
from flows.alerts.message import MessageState, channel_disabled, message_to, messages_of
from flows.alerts.outbox import ChannelHealth, Outbox, Queued
from model.alerts.channels import EMAIL
from model.alerts.notice import Notice
from model.alerts.rule import IN_APP
from model.workspace import Workspace
from sinks.channels.channel import Channel, Outcome, Sent

SPACING_MS = 1_000  # Slack takes one message a second for each channel
FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 600_000
GIVE_UP_AFTER_MS = 24 * 3_600_000

log = logging.getLogger("waybill")
OpenChannels = Callable[[Workspace], Mapping[str, Channel]]


@dataclass(slots=True)
class _Sending:
    """A message on its way."""

    parcel: list[Queued]
    future: Future[Sent] = field(repr=False)


class Sender:
    """`work` is called again and again by one thread; calls to channels are made by ``executor``."""

    def __init__(
        self,
        outbox: Outbox,
        workspace: Callable[[], Workspace],
        open_channels: OpenChannels,
        details: Details,
        clock: Callable[[], int],
        executor: Executor,
    ) -> None:
        """``open_channels``: the channels of a workspace; asked again when it has changed. ``clock``: Unix ms."""
        self._outbox = outbox
        self._workspace = workspace
        self._open_channels = open_channels
        self._details = details
        self._clock = clock
        self._executor = executor
        self._known: Workspace | None = None
        self._channels: Mapping[str, Channel] = {}
        self._sending: dict[str, _Sending] = {}
        self._next_ms: dict[str, int] = {}  # by channel: no message before

    @property
    def busy(self) -> bool:
        """Whether a message is on its way."""
        return bool(self._sending)

    def settle(self) -> None:
        """Write down what came of messages on their way."""
        for channel, sending in list(self._sending.items()):
            if sending.future.done():
                del self._sending[channel]
                self._settle(channel, sending.parcel, sending.future.result())

    def work(self) -> None:
        """Write down what came of messages on their way, and send what is due."""
        self.settle()
        workspace = self._workspace()
        if workspace is not self._known:
            self._known, self._channels = workspace, self._open_channels(workspace)
        now_ms = self._clock()
        waiting: dict[str, list[Queued]] = {}
        for queued in self._outbox.queued(now_ms):
            waiting.setdefault(queued.channel, []).append(queued)
        for channel, due in waiting.items():
            if channel not in self._sending:
                self._send(channel, due, workspace, now_ms)

    def _send(self, channel: str, due: list[Queued], workspace: Workspace, now_ms: int) -> None:
        ids = [queued.id for queued in due]
        sends = self._channels.get(channel)
        if sends is None:
            text = "the workspace has no such channel any more"
            self._outbox.settle(ids, MessageState.DROPPED, code="UNKNOWN_CHANNEL", message=text)
            return
        identity = identity_of(workspace, channel)
        health = self._outbox.health(channel)
        if health is not None and health.state == "disabled" and health.identity == identity:
            self._outbox.settle(ids, MessageState.DROPPED, code="CHANNEL_DISABLED", message=health.message)
            return
        if now_ms < self._next_ms.get(channel, 0):
            return
        parcel = self._pack(due, sends.max_notices, workspace)
        self._next_ms[channel] = now_ms + SPACING_MS
        notices = [queued.notice for queued in parcel]
        self._sending[channel] = _Sending(parcel, self._executor.submit(sends.send, notices, parcel[0].recipient))

    def _pack(self, due: list[Queued], most: int, workspace: Workspace) -> list[Queued]:
        """Those that go out together with the oldest one, as decided before or now."""
        oldest = due[0]
        if oldest.parcel:
            return [queued for queued in due if queued.parcel == oldest.parcel]
        together = [queued for queued in due if not queued.parcel and queued.recipient == oldest.recipient][:most]
        base_url = workspace.alerts.base_url.value if workspace.alerts.base_url else ""
        packed: list[tuple[str, Notice]] = []
        for queued in together:
            transition = self._outbox.transition_of(queued.id)
            notice = self._details.add(queued.notice, transition, base_url) if transition else queued.notice
            packed.append((queued.id, notice))
        self._outbox.pack(oldest.id, packed)
        told = dict(packed)
        return [
            Queued(q.id, q.channel, q.recipient, told[q.id], q.at_ms, q.attempts, q.due_ms, oldest.id) for q in together
        ]

    def _settle(self, channel: str, parcel: list[Queued], sent: Sent) -> None:
        ids = [queued.id for queued in parcel]
        now_ms = self._clock()
        if sent.outcome is Outcome.TAKEN:
            self._outbox.settle(ids, MessageState.SENT)
            self._note(channel, "ok", now_ms, sent)
        elif sent.outcome is Outcome.CHANNEL_REFUSED:
            self._disable(channel, now_ms, sent)
        elif sent.outcome is Outcome.AGAIN:
            wait_ms = min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** min(parcel[0].attempts, 10))
            wait_ms = max(wait_ms, round((sent.after_seconds or 0) * 1000))
            self._next_ms[channel] = now_ms + max(SPACING_MS, round((sent.after_seconds or 0) * 1000))
            old = [queued.id for queued in parcel if now_ms - queued.at_ms > GIVE_UP_AFTER_MS]
            young = [queued.id for queued in parcel if now_ms - queued.at_ms <= GIVE_UP_AFTER_MS]
            self._outbox.settle(old, MessageState.DROPPED, code=sent.code, message=sent.message)
            due_ms = now_ms + wait_ms
            self._outbox.settle(young, MessageState.FAILED, due_ms=due_ms, code=sent.code, message=sent.message)
            self._note(channel, "failing", now_ms, sent)
        elif sent.outcome is Outcome.MESSAGE_REFUSED and len(parcel) > 1:
            # Only one of them may be at fault.
            self._outbox.settle(ids, MessageState.FAILED, code=sent.code, message=sent.message, alone=True)
        else:
            log.error("alert channel %s refused a message: %s %s", channel, sent.code, sent.message)
            self._outbox.settle(ids, MessageState.DROPPED, code=sent.code, message=sent.message)

    def _disable(self, channel: str, now_ms: int, sent: Sent) -> None:
        log.error("alert channel %s is disabled: %s %s", channel, sent.code, sent.message)
        waiting = self._outbox.waiting_on(channel)
        notice = channel_disabled(channel, sent.code, sent.message, now_ms)
        workspace = self._workspace()
        others = {(IN_APP, "")}
        for queued in waiting:
            transition = self._outbox.transition_of(queued.id)
            if transition is not None:
                others |= {(made.channel, made.recipient) for made in messages_of(transition, notice, workspace)}
        messages = [message_to(other, recipient, notice) for other, recipient in sorted(others) if other != channel]
        # Told first: what is dropped below without it would be known to nobody after a crash.
        self._outbox.put([], messages)
        self._note(channel, "disabled", now_ms, sent)
        ids = [queued.id for queued in waiting]
        self._outbox.settle(ids, MessageState.DROPPED, code=sent.code, message=sent.message)

    def _note(self, channel: str, state: str, now_ms: int, sent: Sent) -> None:
        known = self._outbox.health(channel)
        identity = identity_of(self._workspace(), channel)
        if known is not None and (known.state, known.identity, known.code) == (state, identity, sent.code):
            return
        since_ms = known.since_ms if known is not None and known.state == state else now_ms
        self._outbox.put_health(ChannelHealth(channel, identity, state, since_ms, now_ms, sent.code, sent.message))


def identity_of(workspace: Workspace, channel: str) -> str:
    """Digest of a channel's configuration: a disabled channel is tried again when it has changed."""
    alerts = workspace.alerts
    if channel == EMAIL:
        parts = [alerts.smtp.model_dump_json(), *sorted(alerts.smtp.secret_values())] if alerts.smtp else []
    else:
        of = [known for known in alerts.channels if known.id == channel]
        parts = [text for known in of for text in (known.model_dump_json(exclude={"name"}), known.url.value)]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
