from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.events.envelope import UnreadableRecord, encode_record
from model.events.event import NAME_LIMIT_CHARACTERS, from_record, to_record


def read(**body: Any) -> tuple[str, str, str, str]:
    event = from_record(to_record("web", orjson.dumps(body)))
    return event.message_id, event.type, event.name, event.app_version


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {"type": "track", "event": "Sign Up", "name": "x", "messageId": "m", "context": {"app": {"version": "2"}}},
            ("m", "track", "Sign Up", "2"),
        ),
        ({"type": "page", "name": "Home", "messageId": "m"}, ("m", "page", "Home", "")),
        ({"type": "identify", "messageId": "m"}, ("m", "identify", "", "")),
        ({"type": ["track"], "messageId": 7, "context": {"app": "1.0"}}, ("", "", "", "")),
        ({"type": "track", "event": None, "context": {"app": {"version": 2}}}, ("", "track", "", "")),
        ({"type": "track", "event": "x" * 5_000}, ("", "track", "x" * NAME_LIMIT_CHARACTERS, "")),
    ],
)
def test_fields_are_texts_whatever_the_app_put_there(body: dict[str, Any], fields: tuple[str, str, str, str]) -> None:
    assert read(**body) == fields


def test_the_payload_is_the_very_bytes_that_came_in() -> None:
    payload = b'{ "type":"track",\n "n":1.0 }'
    event = from_record(to_record("web", payload))
    assert (event.source, event.payload) == ("web", payload)


@given(st.binary() | st.binary().map(lambda tail: encode_record({"source": "web"}, tail)))
@example(encode_record({"source": "web"}, b"[" * 100_000))
@example(encode_record({"source": "web"}, b"NaN"))
@example(encode_record({"source": 7}, b"{}"))
@example(encode_record({"source": "web"}, b'{"type":"\\ud800"}'))
def test_any_bytes_are_an_event_or_unreadable(value: bytes) -> None:
    try:
        event = from_record(value)
    except UnreadableRecord:
        return
    assert isinstance(orjson.loads(event.payload), dict)
