"""Webhook: sends the event unchanged, or the result of a mapping, as JSON to a URL of the user's choice.

Several events in one request (``batch.max_events`` above 1) are sent as a JSON array. A 207 with a list of
``{"status": …}`` gives a result per event (`model.destinations.multi_status`), and so do responses declared in
``answers`` (`model.destinations.declared_answers`); the status of any other response applies to all events.

With a ``signing_secret`` every request is signed twice: ``X-Signature`` (hex HMAC-SHA1 of the body, as Segment's
webhooks do) and the Standard Webhooks headers (HMAC-SHA256 of id, time and body). Both cover the whole body.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from model.config.env_string import EnvString
from model.config.fields import HeaderName, HeaderValue, Secret, Url
from model.destinations.declared_answers import DeclaredDestination
from model.destinations.destination import BatchConfig, BatchLimits, Item
from model.destinations.signing import signature_headers
from model.http.messages import HttpRequest


class WebhookDestination(DeclaredDestination):
    """Receives one HTTP request per event, with its JSON as the body."""

    title: ClassVar[str] = "Webhook"
    integration_names: ClassVar[tuple[str, ...]] = ("Webhooks", "Webhooks (Actions)")
    link: ClassVar[str] = "https://www.standardwebhooks.com/"
    batch_limits: ClassVar[BatchLimits] = BatchLimits(max_events=4_000, max_bytes=4 * 1024 * 1024)

    type: Literal["webhook"]
    """webhook: the event as JSON in one HTTP request."""
    url: Url
    """Where events are sent: http or https, no user name or password. ${NAME} is allowed."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """HTTP method."""
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=50)
    """Headers added to every request. Credentials only as ${NAME}."""
    signing_secret: Secret | None = None
    """Signs every request, so that the receiver can verify the sender. Only as ${NAME}."""
    batch: BatchConfig = BatchConfig(max_events=1)
    """Several events in one request, as a JSON array. Not given: one event a request."""

    @property
    def endpoint(self) -> EnvString:
        """The URL."""
        return self.url

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build the request; a single event is the body itself, byte for byte, unless batches were asked for."""
        if self.batch.max_events == 1:
            body = items[0].json
        else:
            body = b"[" + b",".join(item.json for item in items) + b"]"
        headers = self.request_headers() | signature_headers(self.signing_secret, items, body, now_ms)
        return self.json_request(items, body, url=self.url.value, method=self.method, headers=headers)

    def request_headers(self) -> dict[str, str]:
        """Return the headers with their secrets, for the request only: never for logs, facts or snapshots."""
        return {name: value.value for name, value in self.headers.items()}
