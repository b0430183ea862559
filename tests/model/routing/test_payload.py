"""What a partner would not take is discarded before the call, with the field and without its value."""

from typing import Any

import orjson
import pytest

from model.delivery.attempt import AttemptResult
from model.destinations.destination import Item
from model.routing.compile import compile_connections
from model.routing.payload import build_payload
from tests.kit.samples import delivery
from tests.kit.workspaces import connection, workspace

GA4 = {"id": "ga", "type": "ga4", "measurement_id": "G-1", "api_secret": "${KEY}"}
AMPLITUDE = {"id": "amp", "type": "amplitude", "api_key": "${KEY}"}
MIXPANEL = {"id": "mp", "type": "mixpanel", "project_token": "${KEY}"}
EVENT = {"type": "track", "event": "Sold", "anonymousId": "anonymous-1", "timestamp": "2026-01-31T08:00:00Z"}


def prepared(
    settings: dict[str, Any], event: dict[str, Any], *mappings: dict[str, Any], name: str = "track"
) -> Item | AttemptResult:
    to = settings["id"]
    own = {"mappings": list(mappings)} if mappings else {}
    of = workspace([settings], [connection("web", to, **own)], environ={"KEY": "key-of-the-project"})
    ((plan,),) = compile_connections(of).values()
    made = delivery(destination=to, mapping=name, event=orjson.dumps({**EVENT, **event}))
    return build_payload(made, plan, of.http_destinations()[to])


@pytest.mark.parametrize(
    ("settings", "event", "field", "value"),
    [
        (GA4, {"properties": {"value": "1.234,56"}}, "params.value", "1.234,56"),
        (AMPLITUDE, {"properties": {"revenue": "about 7"}}, "revenue", "about 7"),
        (AMPLITUDE, {"userId": "undefined"}, "user_id", "anonymous-1"),
        (MIXPANEL, {"event": " "}, "event", "anonymous-1"),
    ],
)
def test_the_field_is_named_and_its_value_is_not(
    settings: dict[str, Any], event: dict[str, Any], field: str, value: str
) -> None:
    answer = prepared(settings, event)
    assert isinstance(answer, AttemptResult)
    assert (answer.code, answer.called) == ("PAYLOAD_VALIDATION_FAILED", False)
    assert f"default track: {field} " in answer.message and value not in answer.message


def test_a_user_property_that_google_reserves_names_the_mapping_to_correct() -> None:
    mapping = {"client_id": {"@path": "$.anonymousId"}, "name": "sold", "user_properties": {"first_open_time": 1}}
    rule = {"name": "sold", "trigger": 'type = "track"', "mapping": mapping}
    answer = prepared(GA4, {}, rule, name="sold")
    assert isinstance(answer, AttemptResult)
    assert answer.code == "PAYLOAD_VALIDATION_FAILED"
    assert answer.message.endswith("user_properties.first_open_time has a name that Google reserves")


@pytest.mark.parametrize("settings", [GA4, AMPLITUDE, MIXPANEL])
def test_an_event_as_official_sdks_send_it_goes(settings: dict[str, Any]) -> None:
    as_sent = {"userId": "", "name": "", "properties": {}, "context": {"traits": {}}, "traits": {}, "integrations": {}}
    item = prepared(settings, as_sent)
    assert isinstance(item, Item) and item.payload == getattr(prepared(settings, {}), "payload")  # noqa: B009
