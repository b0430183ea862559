"""Segment: a Segment-compatible Tracking API, such as Segment itself, RudderStack, Jitsu or another Waybill.

Events are sent with their messageId, so that the receiver can deduplicate. Only the corrected `timestamp` is sent,
without `originalTimestamp` and `sentAt`: the receiver would correct it a second time with them, and by more the later
a retry or a redrive comes. Authentication is HTTP Basic with the write key as user name and no password.

One request takes 2,500 events and 500 KB, one event 32 KB. The response applies to all events of a request; one that is
refused permanently is halved until the bad event is isolated. Segment responds 200 to nearly everything, an unknown
write key included: only its debugger shows what it drops later.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec
import orjson

from model.config.env_string import EnvString
from model.config.fields import Secret, Url
from model.destinations.destination import BatchLimits, HttpDestination, Item
from model.destinations.signing import basic_authorization
from model.http.messages import HttpRequest

_ADDRESS = "https://api.segment.io/v1/batch"
# What a receiver corrects `timestamp` by: timestamp = receivedAt - (sentAt - originalTimestamp).
_CORRECTED_BY = ("originalTimestamp", "sentAt")
# Values keep their original bytes, such as integers beyond 64 bits.
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


class SegmentDestination(HttpDestination):
    """Segment, or any service with its Tracking API."""

    title: ClassVar[str] = "Segment"
    integration_names: ClassVar[tuple[str, ...]] = ("Segment.io", "RudderStack")
    link: ClassVar[str] = "https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/"
    # The braces around the events need room too.
    batch_limits: ClassVar[BatchLimits] = BatchLimits(max_events=2_500, max_bytes=500 * 1024 - 1_024)

    type: Literal["segment"]
    """segment: a Segment-compatible Tracking API."""
    write_key: Secret
    """Write key of the receiving source. Only as ${NAME}."""
    url: Url | None = None
    """Address of the batch endpoint, such as https://events.eu1.segmentapis.com/v1/batch.
    Not given: Segment's in the US."""

    @property
    def endpoint(self) -> EnvString:
        """The address of the batch endpoint."""
        return self.url or EnvString.constant(_ADDRESS)

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build the request."""
        body = b'{"batch":[' + b",".join(_corrected(item) for item in items) + b"]}"
        headers = {"authorization": basic_authorization(f"{self.write_key.value}:")}
        return self.json_request(items, body, url=self.endpoint.value, headers=headers)


def _corrected(item: Item) -> bytes:
    """Encode an item with its corrected timestamp only. A payload without a timestamp gets that of its event."""
    if item.payload is None:
        members = _members.decode(item.event)
        for name in _CORRECTED_BY:
            members.pop(name, None)
        return _encode(members)
    payload = {name: value for name, value in item.payload.items() if name not in _CORRECTED_BY}
    if not payload.get("timestamp") and (timestamp := _members.decode(item.event).get("timestamp")):
        payload["timestamp"] = msgspec.json.decode(timestamp)
    return orjson.dumps(payload)
