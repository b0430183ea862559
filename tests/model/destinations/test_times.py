"""Every destination dates an event by its corrected timestamp, whenever it is sent: never by the sender's clock."""

from typing import Any

import orjson
import pytest

from model.destinations.amplitude import AmplitudeDestination
from model.destinations.destination import HttpDestination, Item
from model.destinations.ga4 import Ga4Destination
from model.destinations.http_api import HttpApiDestination
from model.destinations.mixpanel import MixpanelDestination
from model.destinations.segment import SegmentDestination
from model.destinations.webhook import WebhookDestination
from model.durations import HOUR_MS
from model.events.tracking import EventLimits, RequestContext, normalize_event
from tests.kit.destination_items import destination, items
from tests.kit.iso_times import iso_ms
from tests.kit.samples import T0

HAPPENED_MS = T0 - 5_000


def slow_clock() -> dict[str, Any]:
    """An event by the corrected time HAPPENED_MS, from a sender whose clock is an hour slow."""
    item = {"event": "Bought", "userId": "u-1", "messageId": "m-1", "timestamp": iso_ms(HAPPENED_MS - HOUR_MS)}
    arrival = RequestContext(received_at_ms=T0, sent_at=iso_ms(T0 - HOUR_MS))
    tracked = normalize_event(item, arrival, EventLimits(), call_type="track", source="web", index=0, new_id=str)
    event: dict[str, Any] = orjson.loads(tracked.payload)
    return event


def sent(of: HttpDestination, now_ms: int) -> Any:
    event = slow_clock()
    deliveries = items(of, event) or [Item("d-1", orjson.dumps(event))]
    return orjson.loads(of.request(deliveries, now_ms).body)


ADDRESS = "https://partner.example/in"
GA4 = {"type": "ga4", "measurement_id": "G-1", "api_secret": "${KEY}"}


@pytest.mark.parametrize("delay_ms", [0, 72 * HOUR_MS], ids=["at once", "redrive"])
@pytest.mark.parametrize(
    ("kind", "settings", "dated", "expected"),
    [
        (WebhookDestination, {"type": "webhook", "url": ADDRESS}, lambda body: body["timestamp"], iso_ms(HAPPENED_MS)),
        (HttpApiDestination, {"type": "http", "url": ADDRESS}, lambda body: body["timestamp"], iso_ms(HAPPENED_MS)),
        (
            SegmentDestination,
            {"type": "segment", "write_key": "${KEY}"},
            lambda body: body["batch"][0]["timestamp"],
            iso_ms(HAPPENED_MS),
        ),
        (Ga4Destination, GA4, lambda body: int(body["timestamp_micros"]), HAPPENED_MS * 1_000),
        (
            AmplitudeDestination,
            {"type": "amplitude", "api_key": "${KEY}"},
            lambda body: body["events"][0]["time"],
            HAPPENED_MS,
        ),
        (
            MixpanelDestination,
            {"type": "mixpanel", "project_token": "${KEY}"},
            lambda body: body[0]["properties"]["time"],
            HAPPENED_MS,
        ),
    ],
    ids=["webhook", "http", "segment", "ga4", "amplitude", "mixpanel"],
)
def test_an_event_is_dated_by_its_corrected_timestamp(
    kind: type[HttpDestination], settings: dict[str, Any], dated: Any, expected: Any, delay_ms: int
) -> None:
    assert dated(sent(destination(kind, **settings), T0 + delay_ms)) == expected
