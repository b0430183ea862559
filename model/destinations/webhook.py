"""Webhook: sends the event unchanged, or the result of a mapping, as JSON to a URL of the user's choice.

Several events in one request (``batch.max_events`` above 1) are sent as a JSON array. A 207 with a list of
``{"status": …}`` gives a result per event (`model.destinations.multi_status`), and so do responses declared in
``answers`` (`model.destinations.declared_answers`); the status of any other response applies to all events.

With a ``signing_secret`` every request is signed twice: ``X-Signature`` (hex HMAC-SHA1 of the body, as Segment's
webhooks do) and the Standard Webhooks headers (HMAC-SHA256 of id, time and body). Both cover the whole body.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from model.destinations.declared_answers import DeclaredDestination
from model.destinations.destination import BatchLimits, Item
from model.http.messages import HttpRequest


class WebhookDestination(DeclaredDestination):
    """Receives one HTTP request per event, with its JSON as the body."""

    title: ClassVar[str] = "Webhook"
    integration_names: ClassVar[tuple[str, ...]] = ("Webhooks", "Webhooks (Actions)")
    link: ClassVar[str] = "https://www.standardwebhooks.com/"
    batch_limits: ClassVar[BatchLimits] = BatchLimits(max_events=4_000, max_bytes=4 * 1024 * 1024)

    type: Literal["webhook"]
    """webhook: the event as JSON in one HTTP request."""

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build the request; a single event is the body itself, byte for byte, unless batches were asked for."""
        return self.signed_request(items, self.json_body(items), now_ms)
