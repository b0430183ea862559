"""The generic HTTP destination: how events are written and calls authenticated."""

from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from model.destinations.destination import Item
from model.destinations.http_api import HttpApiDestination
from tests.kit.destination_items import ENVIRON, destination
from tests.kit.samples import T0
from tests.kit.workspaces import workspace

ITEMS = [Item("a", b'{"n": 1}'), Item("b", b'{\n"n": 2}', {"n": 2, "text": "x y", "deep": {"a": [1]}, "none": None})]
BATCH = {"max_events": 10}


def api(**settings: Any) -> HttpApiDestination:
    return destination(HttpApiDestination, **{"type": "http", "url": "https://api.test/in", **settings})


def test_json_is_the_event_itself_or_an_array_of_them() -> None:
    assert api().request(ITEMS[:1], T0).body == b'{"n": 1}'
    assert len(orjson.loads(api(batch=BATCH).request(ITEMS, T0).body)) == 2
    assert api().request(ITEMS[:1], T0).headers["content-type"] == "application/json"


def test_ndjson_is_one_line_an_event_whatever_line_breaks_it_had() -> None:
    number = b"123456789012345678901234567890"
    request = api(format="ndjson", batch=BATCH).request([Item("a", b'{\r\n"n":\n' + number + b"}"), ITEMS[0]], T0)
    assert request.body == b'{"n":' + number + b'}\n{"n": 1}\n'
    assert request.headers["content-type"] == "application/x-ndjson"


def test_a_form_has_nested_fields_as_json() -> None:
    request = api(format="form").request(ITEMS[1:], T0)
    assert parse_qs(request.body.decode()) == {"n": ["2"], "text": ["x y"], "deep": ['{"a":[1]}']}


def test_each_way_to_authenticate_is_one_header() -> None:
    token = api(bearer_token="${KEY}").request(ITEMS[:1], T0).headers["authorization"]
    assert token == f"Bearer {ENVIRON['KEY']}"
    basic = api(basic_auth={"username": "me", "password": "${SECRET}"}).request(ITEMS[:1], T0)
    pair = b64encode(f"me:{ENVIRON['SECRET']}".encode()).decode()
    assert basic.headers["authorization"] == f"Basic {pair}"


def test_own_headers_and_method_are_used() -> None:
    request = api(method="PATCH", headers={"X-Team": "growth"}).request(ITEMS[:1], T0)
    assert (request.method, request.headers["x-team"]) == ("PATCH", "growth")


def test_a_signed_request_is_signed_over_its_body() -> None:
    headers = api(signing_secret="${SECRET}").request(ITEMS[:1], T0).headers
    assert headers["webhook-id"] == "a" and headers["webhook-signature"].startswith("v1,") and headers["x-signature"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "form", "batch": BATCH},
        {"bearer_token": "${KEY}", "basic_auth": {"username": "me", "password": "${SECRET}"}},
        {"bearer_token": "written out"},
        {"basic_auth": {"username": "me:too", "password": "${SECRET}"}},
    ],
)
def test_what_does_not_go_together_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ways|form|credential|colon"):
        workspace([{"id": "api", "type": "http", "url": "https://api.test/", **wrong}], environ=ENVIRON)
