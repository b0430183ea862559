"""The webhook's requests and what it reads in answers."""

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.destinations.destination import Item
from model.destinations.webhook import WebhookDestination
from model.http.failure import FailureClass
from model.http.messages import HttpResponse
from tests.kit.workspaces import webhook, workspace

EVENT = b'{"type":"track", "event":"Order Completed"}'
NOW_MS = 1_790_000_000_123


def destination(environ: dict[str, str] | None = None, **settings: Any) -> WebhookDestination:
    made = workspace([webhook("crm", **settings)], environ=environ).http_destinations()["crm"]
    assert isinstance(made, WebhookDestination)
    return made


def test_the_event_goes_out_byte_for_byte_with_one_key_for_all_attempts() -> None:
    made = destination(url="https://partner.test/in", method="PUT", timeout_seconds=2.5)
    request = made.request([Item("d-1", EVENT)], NOW_MS)
    assert (request.method, request.url, request.body) == ("PUT", "https://partner.test/in", EVENT)
    assert request.timeout_seconds == 2.5
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "d-1"
    assert request.headers["user-agent"].startswith("Waybill/")
    assert made.request([Item("d-1", EVENT)], NOW_MS + 1) == request


def test_headers_of_the_destination_win() -> None:
    made = destination({"K": "k"}, headers={"X-Api-Key": "${K}", "CONTENT-TYPE": "application/vnd.x+json"})
    request = made.request([Item("d-2", EVENT)], NOW_MS)
    assert request.headers["content-type"] == "application/vnd.x+json" and request.headers["x-api-key"] == "k"


def test_settings_do_not_show_their_secrets() -> None:
    made = destination({"K": "s3cret-value"}, headers={"X-Api-Key": "${K}"}, signing_secret="${K}")
    assert "s3cret-value" not in repr(made) + made.model_dump_json()
    assert made.secret_values() == {"s3cret-value"}


def test_a_mapped_event_is_the_body() -> None:
    request = destination().request([Item("d", EVENT, {"a": 1})], NOW_MS)
    assert orjson.loads(request.body) == {"a": 1}


def test_a_batch_is_an_array_whose_key_does_not_depend_on_order_and_differs_with_its_items() -> None:
    made = destination(batch={"max_events": 10})
    items = [Item("a", b'{"n":1}'), Item("b", b'{"n":2}')]
    request = made.request(items, NOW_MS)
    assert orjson.loads(request.body) == [{"n": 1}, {"n": 2}]
    key = request.headers["idempotency-key"]
    assert made.request(items[::-1], NOW_MS).headers["idempotency-key"] == key
    assert made.request(items[:1], NOW_MS).headers["idempotency-key"] == "a" != key
    assert orjson.loads(made.request(items[:1], NOW_MS).body) == [{"n": 1}]


def test_both_signatures_cover_the_whole_body() -> None:
    made = destination({"S": "signing-secret"}, signing_secret="${S}", batch={"max_events": 10})
    request = made.request([Item("a", b'{"n":1}'), Item("b", b'{"n":2}')], NOW_MS)
    headers = request.headers
    assert headers["x-signature"] == hmac.new(b"signing-secret", request.body, hashlib.sha1).hexdigest()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(b"signing-secret", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(NOW_MS // 1_000)


def test_a_207_speaks_of_each_item_and_anything_else_of_all() -> None:
    made, items = destination(), [Item("a", EVENT), Item("b", EVENT)]
    said = made.read(HttpResponse(status=207, body=b'[{"status":200},{"status":422,"message":"no"}]'), items)
    assert said is not None and [one.failure for one in said if one] == [FailureClass.DELIVERED, FailureClass.DISCARD]
    assert made.read(HttpResponse(status=200, body=b'[{"status":400}]'), items) is None
    assert made.read(HttpResponse(status=207, body=b"thanks"), items) is None


@given(st.binary() | st.sampled_from([b"[1]", b"[null]", b"[{}]", b'[{"status":true}]', b'[{"status":1e99}]', b"{}"]))
def test_reading_takes_any_body(body: bytes) -> None:
    said = destination().read(HttpResponse(status=207, body=body), [Item("a", EVENT)])
    assert said is None or len(said) == 1


def test_of_an_answer_about_many_events_more_is_read() -> None:
    def limit_bytes(count: int, **settings: Any) -> int:
        items = [Item(f"d-{number}", b"{}") for number in range(count)]
        return destination(**settings).request(items, NOW_MS).read_limit_bytes

    batch = {"batch": {"max_events": 4_000}}
    assert limit_bytes(1) == limit_bytes(1, **batch) == 65_536
    assert limit_bytes(600, **batch) == 65_536 + 600 * 4_096
    assert limit_bytes(4_000, **batch) == 4 * 1024 * 1024


def test_a_destination_may_be_called_past_the_proxy() -> None:
    assert not destination().request([Item("d-1", EVENT)], NOW_MS).direct
    assert destination(use_proxy=False).request([Item("d-1", EVENT)], NOW_MS).direct


def test_answers_are_asked_for_in_no_coding_of_the_users_choice() -> None:
    with pytest.raises(ValueError, match="sets this header itself"):
        destination(headers={"Accept-Encoding": "br"})


@pytest.mark.parametrize(
    ("settings", "count", "needed"),
    [
        ({}, 1, False),
        ({"batch": {"max_events": 10}}, 2, True),
        ({"batch": {"max_events": 10}}, 1, False),
        ({"failures": [{"status": 400, "class": "retry"}]}, 1, False),
        ({"failures": [{"status": 400, "body": "busy", "class": "retry"}]}, 1, True),
        ({"answers": [{"status": 200, "items": {"list": "$", "by": "position", "status": "s"}}]}, 1, True),
    ],
    ids=str,
)
def test_a_body_is_needed_where_it_may_change_what_an_answer_means(
    settings: dict[str, Any], count: int, needed: bool
) -> None:
    items = [Item(f"d-{number}", b"{}") for number in range(count)]
    assert destination(**settings).request(items, NOW_MS).needs_body is needed
