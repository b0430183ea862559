"""Numbers are written as they were read, from ingest over filters and mappings to the request."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.delivery.delivery import Delivery
from model.destinations.destination import Item
from model.events.event import from_record, to_record
from model.events.exact_json import Exact, dumps, holds_inexact, loads, writable
from model.events.tracking import EventLimits, RequestContext, normalize_event
from model.routing.compile import compile_connections
from model.routing.payload import build_payload
from model.routing.routing import route
from tests.kit.workspaces import connection, webhook, workspace

INEXACT = [
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "9" * 300,
    "9007199254740993.0",
    "12.345678901234567890123",
    "0.1000000000000000055511151231257827",
    "-1234567890123456789012e-5",
    "1.2345678901234567890E+5",
    "1e-400",
    "-1.5E-999999999999999999999",
]
EXACT = [
    *("0", "-0", "-0.0", "1.0", "12.50", "1e5", "1E-7", "0.30000000000000004", "1.7976931348623157e308"),
    *("18446744073709551615", "-9223372036854775808", "9007199254740993", "5e-324", "1000000000000000000000e-21"),
]


@pytest.mark.parametrize("number", INEXACT)
def test_a_number_no_double_holds_is_written_as_it_came(number: str) -> None:
    text = b'{"a":[{"b":' + number.encode() + b'},"99999999999999999999",1.5]}'
    assert holds_inexact(text)
    value = loads(text)
    found = value["a"][0]["b"]
    assert isinstance(found, Exact) and found == float(number)
    assert dumps(value) == text == orjson.dumps(writable(value))


@pytest.mark.parametrize("number", EXACT)
def test_other_numbers_are_what_they_are_to_orjson(number: str) -> None:
    text = b'{"a": ' + number.encode() + b"}"
    assert not holds_inexact(text)
    assert repr(loads(text)) == repr(orjson.loads(text))


@pytest.mark.parametrize("text", ['"18446744073709551616"', '"a 18446744073709551616, b"', '"3f2504e0-400-1e-400"'])
def test_texts_stay_texts(text: str) -> None:
    assert loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize("piece", [b"0e-0000e-000", b"0" * 16 + b"-", b"1.5" * 7 + b",", b"-", b"9", b"0e-000,"])
def test_hostile_texts_of_full_size_are_looked_through_in_linear_time(piece: bytes) -> None:
    """Quadratic work on 500,000 characters would take minutes; the suite's own time limit is the judge."""
    text = b'"' + piece * (500_000 // len(piece)) + b'"'
    assert loads(text) == orjson.loads(text)


def test_integers_of_any_size_are_written_and_other_things_are_not() -> None:
    assert dumps({"a": [2**64, -(2**70)], "b": 1}) == b'{"a":[18446744073709551616,-1180591620717411303424],"b":1}'
    with pytest.raises(orjson.JSONEncodeError):
        dumps({"a": object()})


NUMBERS = st.integers(-(10**40), 10**40).map(str) | st.decimals(allow_nan=False, allow_infinity=False).map(
    lambda decimal: f"{decimal:e}"
)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.tuples(st.just("n"), NUMBERS) | st.tuples(st.just("t"), NUMBERS | st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def written(tree: Any) -> str:
    match tree:
        case ("n", number):
            return str(number)
        case ("t", text):
            return json.dumps(text)
        case list():
            return "[" + ", ".join(map(written, tree)) + "]"
        case _:
            return "{" + ",".join(f"{json.dumps(name)} :{written(value)}" for name, value in tree.items()) + "}"


def as_decimals(text: bytes | str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


@given(TREES)
def test_no_number_becomes_another(tree: Any) -> None:
    text = written(tree)
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:  # over 1.8e308, or half a surrogate pair
        return
    assert as_decimals(dumps(loads(text.encode()))) == as_decimals(text)


EVENT = (
    b'{"type":"track","event":"e","userId":"u","messageId":"m",'
    b'"properties":{"id":36893488147419103233,"price":0.12345678901234567890,"n":1}}'
)
KEPT = {b"36893488147419103233", b"0.12345678901234567890"}


def kept(payload: bytes) -> bool:
    return all(number in payload for number in KEPT)


def test_ingest_keeps_the_numbers_of_an_event() -> None:
    arrival = RequestContext(received_at_ms=1_780_000_000_000, context={"direct": True}, client_ip="203.0.113.5")
    tracked = normalize_event(
        loads(EVENT), arrival, EventLimits(), call_type=None, source="web", index=0, new_id=lambda: "random"
    )
    assert kept(tracked.payload)


def routed(**settings: Any) -> Item:
    made = workspace([webhook("crm")], [connection("web", "crm", **settings)])
    ((plan,),) = compile_connections(made).values()
    event = from_record(to_record("web", EVENT))
    (one,) = route(plan, event.body, event.payload, "0:17:crm")
    delivery = Delivery(
        delivery_id="d", source="web", destination="crm", mapping=one.mapping, message_id="m", event_type="track",
        event_name="e", app_version="", event=one.event, received_at_ms=0, events_partition=0, events_offset=0,
        taken_at_ms=0, due_at_ms=0,
    )  # fmt: skip
    item = build_payload(delivery, plan, made.http_destinations()["crm"])
    assert isinstance(item, Item)
    return item


def test_a_filter_that_changes_the_event_keeps_its_numbers() -> None:
    action = {"type": "DROP_PROPERTIES", "fields": {"properties": ["n"]}}
    filters = [{"if": "properties.id > 5", "actions": [action]}]
    item = routed(filters=filters)
    assert kept(item.json) and b'"n"' not in item.json


def test_a_mapping_passes_numbers_on_as_they_came() -> None:
    mapping = {
        "id": {"@path": "$.properties.id"},
        "all": {"@path": "$.properties"},
        "text": {"@template": "order {{properties.id}}"},
        "json": {"@json": {"mode": "encode", "value": {"@path": "$.properties"}}},
    }
    item = routed(mappings=[{"name": "m", "trigger": 'type = "track"', "mapping": mapping}])
    assert kept(item.json)
    said = orjson.loads(item.json)
    assert said["text"] == "order 36893488147419103233"
    assert kept(said["json"].encode())
