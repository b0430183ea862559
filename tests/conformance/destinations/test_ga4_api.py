"""GA4's destination against a server with the Measurement Protocol's demands, by the real engine."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from model.destinations.destination import Item
from model.destinations.ga4 import Ga4Destination
from model.http.failure import FailureClass
from model.mapping.fields import PayloadInvalid
from sinks.http.client import HttpClient
from sinks.http.engine import HttpEngine
from tests.conformance.destinations.ga4_server import STREAM, Ga4Server
from tests.conformance.destinations.sending import send
from tests.kit.destination_items import destination, items
from tests.kit.http_calls import answer_of, run, served
from tests.kit.samples import T0

DELIVERED = (FailureClass.DELIVERED, "", "")
PRODUCT = {"product_id": "p-1", "name": "Cup", "price": "5.50", "quantity": 2}
SHOPPING = {
    **PRODUCT,
    "currency": "EUR",
    "order_id": "o-1",
    "total": "25.5",
    "tax": "1",
    "query": "cups",
    "products": [PRODUCT, {"sku": "s-2"}, {"price": 1}],
}
RECOMMENDED = {
    "Products Searched": "search",
    "Product List Viewed": "view_item_list",
    "Product Clicked": "select_item",
    "Product Viewed": "view_item",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Product Added to Wishlist": "add_to_wishlist",
    "Cart Viewed": "view_cart",
    "Checkout Started": "begin_checkout",
    "Payment Info Entered": "add_payment_info",
    "Order Completed": "purchase",
    "Order Refunded": "refund",
    "Signed Up": "sign_up",
    "Signed In": "login",
}


@contextlib.asynccontextmanager
async def ga4_running() -> AsyncIterator[tuple[HttpEngine, Ga4Server, str]]:
    async with served(HttpClient) as (engine, server):
        api = Ga4Server()
        for path in ("/mp/collect", "/debug/mp/collect"):
            server.on(path, api)
        yield engine, api, f"http://127.0.0.1:{server.port}"


def ga4(url: str, **settings: Any) -> Ga4Destination:
    return destination(Ga4Destination, **{"type": "ga4", **STREAM, "api_secret": "${KEY}", **settings}, url=url)


def call(kind: str = "track", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "anonymousId": "a-1", "timestamp": "2026-01-31T08:00:00Z", **fields}


async def words(engine: HttpEngine, of: Ga4Destination, sent: list[Item]) -> list[str]:
    """What the validation service says."""
    question = of.test_request(sent, T0)
    assert question is not None
    return of.validation(answer_of(await engine.send(question)))


def test_every_event_of_the_shop_is_taken_under_its_recommended_name() -> None:
    async def test() -> None:
        async with ga4_running() as (engine, api, url):
            of = ga4(url)
            for event in RECOMMENDED:
                sent = items(of, call(event=event, properties=SHOPPING))
                assert await words(engine, of, sent) == []
                assert await send(engine, of, sent) == [DELIVERED]
            assert [content["events"][0]["name"] for content in api.taken] == list(RECOMMENDED.values())

    run(test())


def test_pages_screens_and_events_of_any_name_are_taken() -> None:
    address = "https://shop.test/" + "x" * 900
    hostile = {"google_id": 1, "_x": True, "2nd": None, "": [1], "deep": {"a": {"b": 1}}, "items": "none", "größe": "L"}
    calls = [
        call("page", name="Home", context={"page": {"url": address, "title": "x" * 300}}),
        call("screen", name="Home"),
        call(event="Session Start", properties=hostile),
        call(event="Google Ad Clicked"),
        call(event="購入 完了" * 20),
        call(event="!!!"),
    ]

    async def test() -> None:
        async with ga4_running() as (engine, api, url):
            of = ga4(url)
            for one in calls:
                sent = items(of, one)
                assert await words(engine, of, sent) == []
                assert await send(engine, of, sent) == [DELIVERED]
            assert len(api.taken) == len(calls) and api.dropped == []

    run(test())


def test_user_properties_of_a_mapping_are_taken() -> None:
    payload = {"client_id": "a", "name": "joined", "user_properties": {"Plan of the Year's Customer": "gold", "n": 1}}

    async def test() -> None:
        async with ga4_running() as (engine, api, url):
            assert await send(engine, ga4(url), [Item("d", b"{}", payload)]) == [DELIVERED]
            assert len(api.taken) == 1

    run(test())


def test_what_would_be_dropped_is_refused_before() -> None:
    of = ga4("http://127.0.0.1")
    crowded = {f"p{number}": number for number in range(30)}
    for event in (call(event="Crowded", properties=crowded), call(event="Bought", properties={"value": "much"})):
        with pytest.raises(PayloadInvalid, match="params"):
            items(of, event)


def test_what_is_dropped_counts_as_delivered_and_only_the_validation_says_why() -> None:
    async def test() -> None:
        async with ga4_running() as (engine, api, url):
            of = ga4(url)
            sent = items(of, call(event="Wordy", properties={"text": "x" * 101}))
            assert await send(engine, of, sent) == [DELIVERED]
            assert api.taken == [] and len(api.dropped) == 1
            assert await words(engine, of, sent) == ["text: too long"]
            assert len(api.dropped) == 1  # the validation service stores nothing

    run(test())


def test_a_wrong_secret_is_dropped_without_a_word_too() -> None:
    async def test() -> None:
        async with ga4_running() as (engine, api, url):
            of = ga4(url, api_secret="${SECRET}")
            assert await send(engine, of, items(of, call(event="Bought"))) == [DELIVERED]
            assert api.taken == [] and len(api.dropped) == 1

    run(test())
