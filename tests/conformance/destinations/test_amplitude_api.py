"""Amplitude's destination against a server with Amplitude's demands, by the real engine."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from model.destinations.amplitude import AmplitudeDestination
from model.destinations.destination import Item
from model.http.failure import FailureClass
from sinks.http.client import HttpClient
from sinks.http.engine import HttpEngine
from tests.conformance.destinations.amplitude_server import LIMIT_BYTES, AmplitudeServer
from tests.conformance.destinations.sending import send
from tests.kit.destination_items import destination, items
from tests.kit.http_calls import run, served

DELIVERED = (FailureClass.DELIVERED, "", "")


@contextlib.asynccontextmanager
async def amplitude_running() -> AsyncIterator[tuple[HttpEngine, AmplitudeServer, str]]:
    async with served(HttpClient) as (engine, server):
        api = AmplitudeServer()
        for path in LIMIT_BYTES:
            server.on(path, api)
        yield engine, api, f"http://127.0.0.1:{server.port}"


def amplitude(url: str, *, path: str = "/2/httpapi", **settings: Any) -> AmplitudeDestination:
    return destination(AmplitudeDestination, **{"type": "amplitude", "api_key": "${KEY}", **settings}, url=url + path)


def track(number: int, **changes: Any) -> dict[str, Any]:
    event = {"type": "track", "event": "Bought", "userId": f"user-{number}", "timestamp": "2026-01-31T08:00:00Z"}
    return {**event, "properties": {"number": number}, **changes}


def test_all_calls_are_taken_by_both_apis() -> None:
    calls = [
        track(1),
        {**track(2), "type": "page", "name": "Home"},
        {**track(3), "type": "screen", "name": "Home"},
        {"type": "identify", "userId": "user-4", "traits": {"plan": "gold"}},
        {"type": "group", "userId": "user-5", "groupId": "g-1", "traits": {"size": 5}},
    ]

    async def test() -> None:
        async with amplitude_running() as (engine, api, url):
            for path in LIMIT_BYTES:
                of = amplitude(url, path=path)
                assert await send(engine, of, items(of, *calls)) == [DELIVERED] * 6
            assert api.calls == [200, 200]
            types = [event["event_type"] for event in api.ingested.values()]
            named = ["Bought", "Viewed Home", "Viewed Home"]
            assert types == [*named, "$identify", "$identify", "$groupidentify"]

    run(test())


def test_the_same_delivery_sent_twice_counts_once() -> None:
    async def test() -> None:
        async with amplitude_running() as (engine, api, url):
            of = amplitude(url)
            for _ in range(2):
                assert await send(engine, of, items(of, track(1), track(2))) == [DELIVERED] * 2
            assert len(api.ingested) == 2

    run(test())


def test_bad_events_never_take_their_neighbours_along() -> None:
    async def test() -> None:
        async with amplitude_running() as (engine, api, url):
            api.silenced_devices.add("device-of-a-robot")
            of = amplitude(url)
            bad = {
                3: track(3, userId="bob"),
                7: track(7, anonymousId="device-of-a-robot"),
            }
            sent = items(of, *(bad.get(number, track(number)) for number in range(9)))
            # As from a version of Waybill that does not know that Amplitude refuses this id.
            sent[2] = Item(sent[2].key, b"{}", {"event_type": "Bought", "user_id": "null"})
            said = await send(engine, of, sent)
            codes = {number: code for number, (_, code, _) in enumerate(said) if code}
            assert codes == {2: "AMPLITUDE_EVENT_INVALID", 3: "AMPLITUDE_ID_TOO_SHORT", 7: "AMPLITUDE_SILENCED"}
            assert said[2][2] == "Invalid field values on some events: field invalid: user_id"
            assert len(api.ingested) == 6

    run(test())


def test_short_ids_are_taken_where_the_workspace_says_so() -> None:
    async def test() -> None:
        async with amplitude_running() as (engine, _, url):
            of = amplitude(url, min_id_length=3)
            assert await send(engine, of, items(of, track(1, userId="bob"))) == [DELIVERED]

    run(test())


def test_a_wrong_key_keeps_the_events_and_asks_for_a_person() -> None:
    async def test() -> None:
        async with amplitude_running() as (engine, api, url):
            of = amplitude(url, api_key="${SECRET}")
            said = await send(engine, of, items(of, track(1), track(2)))
            assert {one[:2] for one in said} == {(FailureClass.SETUP, "AMPLITUDE_API_KEY")}
            assert api.calls == [400] * 3  # the batch, and each event alone
            many = await send(engine, of, items(of, *map(track, range(100))))
            assert {one[:2] for one in many} == {(FailureClass.SETUP, "AMPLITUDE_API_KEY")}
            assert api.calls == [400] * 7

    run(test())


def test_throttled_users_wait_and_those_over_their_quota_are_given_up_while_the_others_are_delivered() -> None:
    async def test() -> None:
        async with amplitude_running() as (engine, api, url):
            of = amplitude(url)
            api.throttled_users, api.over_quota_users = {"user-1"}, {"user-2"}
            said = await send(engine, of, items(of, *map(track, range(50))))
            assert said[1][:2] == (FailureClass.THROTTLE, "AMPLITUDE_THROTTLED")
            assert said[2][:2] == (FailureClass.DISCARD, "AMPLITUDE_DAILY_QUOTA")
            assert [said[0], *said[3:]] == [DELIVERED] * 48
            assert api.calls == [429, 200] and len(api.ingested) == 48
            assert (await send(engine, of, items(of, track(1))))[0][0] is FailureClass.THROTTLE
            api.throttled_users.clear()
            assert await send(engine, of, items(of, track(1))) == [DELIVERED]

    run(test())


def test_a_batch_that_is_too_large_is_divided_and_a_huge_event_given_up_alone() -> None:
    async def test() -> None:
        async with amplitude_running() as (engine, api, url):
            of = amplitude(url)
            huge = track(1, properties={"text": "x" * 1_000_000})
            said = await send(engine, of, items(of, track(0), huge, track(2)))
            assert said == [DELIVERED, (FailureClass.DISCARD, "413", "Payload too large"), DELIVERED]
            assert sorted(api.calls) == [200, 200, 413, 413, 413]

    run(test())
