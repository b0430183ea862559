"""The channels of a workspace by id, as the sections of the file describe them."""

import ssl
from collections.abc import Callable

from model.alerts.channels import EMAIL, AlertsConfig, AnyChannel, WebhookChannel
from sinks.channels.calls import ChannelCalls
from sinks.channels.channel import Channel
from sinks.channels.email import Email
from sinks.channels.slack import SlackWebhook, SlackWorkflow
from sinks.channels.webhook import Webhook


def open_channels(
    config: AlertsConfig, calls: ChannelCalls, clock: Callable[[], int], tls: ssl.SSLContext | None = None
) -> dict[str, Channel]:
    """Return every channel that sends messages; in-app does not. ``clock``: Unix ms; ``tls``: as in `Email`."""
    channels: dict[str, Channel] = {channel.id: _channel(channel, calls, clock) for channel in config.channels}
    if config.smtp:
        channels[EMAIL] = Email(config.smtp, calls, clock, tls)
    return channels


def _channel(config: AnyChannel, calls: ChannelCalls, clock: Callable[[], int]) -> Channel:
    if isinstance(config, WebhookChannel):
        return Webhook(config, calls, clock)
    kind = SlackWorkflow if config.kind == "slack-workflow" else SlackWebhook
    return kind(config, calls, clock)
