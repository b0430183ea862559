"""The webhook destination: the event as it is, in the body of one request to a URL of the user's choice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from sinks.http import HttpRequest

try:
    USER_AGENT = f"Waybill/{version('waybill')}"
except PackageNotFoundError:  # run from a source tree that was not installed
    USER_AGENT = "Waybill/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What the workspace says about one webhook. ``headers`` may hold secrets, so it stays out of repr()."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float = 5.0


def build_request(destination: WebhookSettings, event: bytes, delivery_id: str) -> HttpRequest:
    """Make the call that delivers ``event`` (JSON). Every call for a delivery carries the same Idempotency-Key.

    The destination's own headers win over ours except for that key, whatever case they are written in.
    """
    headers = {"content-type": "application/json", "user-agent": USER_AGENT}
    headers |= {name.lower(): value for name, value in destination.headers.items()}
    headers["idempotency-key"] = delivery_id
    return HttpRequest(
        method=destination.method,
        url=destination.url,
        headers=headers,
        body=event,
        timeout_seconds=destination.timeout_seconds,
    )
