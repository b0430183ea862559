"""Segment: a Segment-compatible Tracking API, such as Segment itself, RudderStack, Jitsu or another Waybill.

Events go on as they came, with their own messageId, so that the other side can recognise repetitions. Their times do
not: ingest has corrected `timestamp` by the sender's clock, so it goes alone, without `originalTimestamp` and `sentAt`
and with none of ours. The other side would correct it a second time by them, and by more the later a retry or a redrive
comes. Authentication is HTTP Basic with the write key as user name and no password.

One request takes 2,500 events and 500 KB, one event 32 KB. The answer counts for all events of a request; one that is
refused for good is halved until the bad event stands alone. Segment answers 200 to nearly everything, an unknown
write key included: what it drops later only its own debugger tells.
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
# Values stay the bytes they came as, such as integers beyond 64 bits.
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


class SegmentDestination(HttpDestination):
    """Segment, or anything that speaks its Tracking API."""

    title: ClassVar[str] = "Segment"
    integration_names: ClassVar[tuple[str, ...]] = ("Segment.io", "RudderStack")
    link: ClassVar[str] = "https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/"
    # The braces around the events need room too.
    batch_limits: ClassVar[BatchLimits] = BatchLimits(max_events=2_500, max_bytes=500 * 1024 - 1_024)

    type: Literal["segment"]
    """segment: a Segment-compatible Tracking API."""
    write_key: Secret
    """Write key of the source events shall arrive at. Only as ${NAME}."""
    url: Url | None = None
    """Address of the batch endpoint, such as https://events.eu1.segmentapis.com/v1/batch.
    Not given: Segment's in the US."""

    @property
    def endpoint(self) -> EnvString:
        """The address of the batch endpoint."""
        return self.url or EnvString.constant(_ADDRESS)

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Make the call."""
        body = b'{"batch":[' + b",".join(_corrected(item) for item in items) + b"]}"
        headers = {"authorization": basic_authorization(f"{self.write_key.value}:")}
        return self.json_request(items, body, url=self.endpoint.value, headers=headers)


def _corrected(item: Item) -> bytes:
    """Encode an item with its corrected timestamp only. A mapping that makes none gets that of its event."""
    if item.payload is None:
        members = _members.decode(item.event)
        for name in _CORRECTED_BY:
            members.pop(name, None)
        return _encode(members)
    payload = {name: value for name, value in item.payload.items() if name not in _CORRECTED_BY}
    if not payload.get("timestamp") and (timestamp := _members.decode(item.event).get("timestamp")):
        payload["timestamp"] = msgspec.json.decode(timestamp)
    return orjson.dumps(payload)
