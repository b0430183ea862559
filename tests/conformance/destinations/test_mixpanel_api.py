"""Mixpanel's destination against a server with Mixpanel's demands, by the real engine."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from model.destinations.mixpanel import MixpanelDestination
from model.http.failure import FailureClass
from sinks.http.client import HttpClient
from sinks.http.engine import HttpEngine
from tests.conformance.destinations.mixpanel_server import ACCOUNT, PROJECT, MixpanelServer
from tests.conformance.destinations.sending import send
from tests.kit.destination_items import destination, items
from tests.kit.http_calls import run, served

DELIVERED = (FailureClass.DELIVERED, "", "")
INVALID = "MIXPANEL_RECORD_INVALID"


@contextlib.asynccontextmanager
async def mixpanel_running() -> AsyncIterator[tuple[HttpEngine, MixpanelServer, str]]:
    async with served(HttpClient) as (engine, server):
        api = MixpanelServer()
        for path in ("/import", "/engage", "/groups"):
            server.on(path, api)
        yield engine, api, f"http://127.0.0.1:{server.port}"


def mixpanel(url: str, **settings: Any) -> MixpanelDestination:
    return destination(MixpanelDestination, **{"type": "mixpanel", "project_token": "${KEY}", **settings}, url=url)


def track(number: int, **changes: Any) -> dict[str, Any]:
    event = {"type": "track", "event": "Bought", "userId": f"user-{number}", "timestamp": "2026-01-31T08:00:00Z"}
    return {**event, "properties": {"number": number}, **changes}


def identify(number: int, **changes: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": f"user-{number}", "traits": {"plan": "gold"}, **changes}


def test_events_of_all_kinds_are_imported() -> None:
    alias = {"type": "alias", "previousId": "old", "userId": "new", "timestamp": "2026-01-31T08:00:00Z"}
    calls = [track(1), {**track(2), "type": "page", "name": "Home"}, {**track(3), "type": "screen"}, alias]

    async def test() -> None:
        async with mixpanel_running() as (engine, api, url):
            of = mixpanel(url)
            for _ in range(2):  # the second time they are duplicates
                assert await send(engine, of, items(of, *calls)) == [DELIVERED] * 4
            names = [event["event"] for event in api.events.values()]
            assert names == ["Bought", "Viewed Home", "Viewed Screen", "$create_alias"]
            assert api.calls == [("/import", 200)] * 2

    run(test())


def test_profiles_of_users_and_groups_are_updated() -> None:
    group = {"type": "group", "userId": "user-1", "groupId": "g-1", "traits": {"name": "Acme"}}

    async def test() -> None:
        async with mixpanel_running() as (engine, api, url):
            of = mixpanel(url)
            assert await send(engine, of, items(of, identify(1), identify(2))) == [DELIVERED] * 2
            assert await send(engine, of, items(of, group)) == [DELIVERED]
            assert api.profiles["user-2"] == {"plan": "gold"}
            assert api.profiles["g-1"] == {"name": "Acme", "$name": "Acme"}
            assert api.calls == [("/engage", 200), ("/groups", 200)]

    run(test())


def test_bad_events_are_given_up_in_one_call_and_their_neighbours_taken() -> None:
    bad = {1: track(1, userId="anonymous"), 4: track(4, timestamp="1970-06-01T00:00:00Z")}

    async def test() -> None:
        async with mixpanel_running() as (engine, api, url):
            of = mixpanel(url)
            said = await send(engine, of, items(of, *(bad.get(number, track(number)) for number in range(6))))
            refused = {number: one[1:] for number, one in enumerate(said) if one != DELIVERED}
            assert refused == {
                1: (INVALID, "'distinct_id' is invalid: must be the id of a user"),
                4: (INVALID, "'properties.time' is invalid: must be specified as seconds since epoch"),
            }
            assert len(api.events) == 4
            assert api.calls == [("/import", 400)]

    run(test())


def test_profiles_that_are_refused_are_told_apart_with_400_and_with_200() -> None:
    async def test() -> None:
        async with mixpanel_running() as (engine, api, url):
            of = mixpanel(url)
            said = await send(engine, of, items(of, identify(1), identify(2, userId="null")))
            assert [code for _, code, _ in said] == ["", INVALID]
            said = await send(engine, of, items(of, identify(3, userId="null")))
            assert said == [(FailureClass.DISCARD, INVALID, "$distinct_id, missing or empty")]
            assert api.calls == [("/engage", 400), ("/engage", 200)]

    run(test())


def test_a_service_account_is_let_in_and_a_wrong_token_is_a_matter_for_a_person() -> None:
    account = {"username": ACCOUNT, "secret": "${SECRET}", "project_id": int(PROJECT)}

    async def test() -> None:
        async with mixpanel_running() as (engine, _, url):
            of = mixpanel(url, service_account=account)
            assert await send(engine, of, items(of, track(1))) == [DELIVERED]
            of = mixpanel(url, project_token="${SECRET}")
            refused = (FailureClass.SETUP, "401", "Invalid credentials")
            assert await send(engine, of, items(of, track(1), track(2))) == [refused] * 2

    run(test())


def test_a_busy_project_is_waited_for() -> None:
    async def test() -> None:
        async with mixpanel_running() as (engine, api, url):
            of = mixpanel(url)
            api.busy = True
            said = await send(engine, of, items(of, track(1), track(2)))
            assert [one[:2] for one in said] == [(FailureClass.THROTTLE, "429")] * 2

    run(test())


def test_a_full_batch_is_not_too_large_and_a_larger_one_is_divided() -> None:
    async def test() -> None:
        async with mixpanel_running() as (engine, api, url):
            of = mixpanel(url)
            limits = of.batching()
            sent = items(of, *(track(number, properties={"text": "x" * 700}) for number in range(limits.max_events)))
            assert sum(len(item.json) + 1 for item in sent) <= limits.max_bytes
            assert await send(engine, of, sent) == [DELIVERED] * limits.max_events
            assert api.calls == [("/import", 200)]
            large = items(of, *(track(number, properties={"text": "x" * 1_200_000}) for number in range(2)))
            assert await send(engine, of, large) == [DELIVERED] * 2
            assert api.calls[1:] == [("/import", 413), ("/import", 200), ("/import", 200)]

    run(test())
