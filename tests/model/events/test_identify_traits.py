"""RudderStack's SDKs write the traits of an identify call into its context; mappings look for them in the event."""

from typing import Any

import orjson
import pytest

from model.events.tracking import EventLimits, RequestContext, normalize_event
from tests.kit.samples import T0

CONTEXT = {"traits": {"plan": "free"}}


@pytest.mark.parametrize(
    ("fields", "traits"),
    [
        ({"type": "identify"}, {"plan": "free"}),
        ({"type": "identify", "traits": None}, {"plan": "free"}),
        ({"type": "identify", "traits": {}}, {"plan": "free"}),
        ({"type": "identify", "traits": {"plan": "paid"}}, {"plan": "paid"}),
        ({"type": "group", "groupId": "g1"}, None),  # in its context they are the user's
        ({"type": "track", "event": "Signed Up"}, None),
    ],
)
def test_an_identify_without_traits_has_those_of_its_context(fields: dict[str, Any], traits: Any) -> None:
    item = {"userId": "u1", "context": CONTEXT, **fields}
    tracked = normalize_event(
        item,
        RequestContext(received_at_ms=T0),
        EventLimits(),
        call_type=None,
        source="web",
        index=0,
        new_id=lambda: "m-1",
    )
    event = orjson.loads(tracked.payload)
    assert (event.get("traits"), event["context"]) == (traits, CONTEXT)
