"""A verdict on a batch is no verdict on its events, a refusal of one delivery none on its destination."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from tests.kit.fakes import Clock
from tests.kit.samples import T0
from tests.kit.shard_days import Answering, ShardDays, messages

OK = HttpResponse(status=200)
BAD = "m-7"
HOURS = 3_600
BATCH = {"batch": {"max_events": 50, "max_age_seconds": 1}}


def spoiled_by(bad: HttpResponse | HttpFailure, *ids: str) -> Answering:
    """What a partner says that refuses whatever holds one of these events."""

    def answering(request: HttpRequest) -> HttpResponse | HttpFailure:
        return bad if set(ids or (BAD,)) & set(messages(request)) else OK

    return answering


def one_by_one(*first: HttpResponse | HttpFailure) -> Answering:
    """Give these answers, then success for ever."""
    answers = iter(first)
    return lambda _: next(answers, OK)


def status(number: int, **headers: str) -> HttpResponse:
    return HttpResponse(status=number, headers=headers, body=b'{"message":"no"}')


DISCARDED = [301, 302, 400, 402, 404, 405, 406, 409, 410, 411, 413, 414, 415, 418, 422, 424, 426, 428, 431, 451, 501]
RETRIED = [307, 308, 408, 423, 500, 502, 503, 504, 520, 599]
FAILURES = ["ECONNRESET", "ECONNABORTED", "ETIMEDOUT", "PROTOCOL_ERROR", "EAI_AGAIN"]


@pytest.mark.parametrize(
    ("bad", "end"),
    [
        *((status(number), "discarded") for number in DISCARDED),
        *((status(number), "expired") for number in (401, 403)),
        *((status(number), "expired") for number in RETRIED),
        *((HttpFailure(code=code, message="gone"), "expired") for code in FAILURES),
    ],
    ids=lambda value: str(getattr(value, "status", getattr(value, "code", value))),
)
def test_one_bad_event_in_a_batch_of_fifty_costs_no_other_whatever_is_answered(
    bad: HttpResponse | HttpFailure, end: str
) -> None:
    days = ShardDays(spoiled_by(bad), settings=BATCH)
    days.take(50)
    days.run(1_000)
    others = {message: how for message, how in days.ends().items() if message != BAD}
    assert others == {f"m-{number}": "delivered" for number in range(50) if number != 7}
    assert max(fact.attempt for fact in days.outcomes() if fact.message_id != BAD) <= 3
    days.run(12 * HOURS)
    assert days.ends()[BAD] == end
    assert {change.state for change in days.states()} <= {"ok"}


@pytest.mark.parametrize(
    ("rule", "bad", "end"),
    [
        ({"status": 409, "class": "retry"}, status(409), "expired"),
        ({"status": 413, "class": "retry"}, status(413), "expired"),
        ({"status": 500, "class": "discard"}, status(500), "discarded"),
        ({"status": 422, "class": "setup"}, status(422), "expired"),
        ({"body": "no", "class": "discard"}, status(429), "discarded"),
        ({"exception": "ECONNRESET", "class": "discard"}, HttpFailure(code="ECONNRESET", message=""), "discarded"),
    ],
)
def test_a_rule_of_the_workspace_changes_how_the_bad_event_ends_and_nothing_for_the_others(
    rule: dict[str, Any], bad: HttpResponse | HttpFailure, end: str
) -> None:
    days = ShardDays(spoiled_by(bad), settings={**BATCH, "failures": [rule]})
    days.take(50)
    days.run(12 * HOURS)
    assert days.ends().pop(BAD) == end
    assert list(days.ends().values()).count("delivered") == 49


@pytest.mark.parametrize("attempts", [2, 3])
def test_no_delivery_expires_for_another_however_few_attempts_there_are(attempts: int) -> None:
    days = ShardDays(spoiled_by(status(500)), settings=BATCH, delivery={"attempts": attempts})
    days.take(50)
    days.run(HOURS)
    assert days.ends() == {f"m-{number}": "expired" if number == 7 else "delivered" for number in range(50)}


@pytest.mark.parametrize("size", [1_000, 2_000])
def test_an_event_that_fails_its_batch_stands_alone_long_before_its_attempts_are_used_up(size: int) -> None:
    days = ShardDays(spoiled_by(status(500)), settings={"batch": {"max_events": 1_000, "max_age_seconds": 1}})
    days.take(size)
    days.run(600)
    assert len(days.ends()) == size - 1 and set(days.ends().values()) == {"delivered"}
    assert max(fact.attempt for fact in days.failed() if fact.message_id != BAD) <= 3
    assert len(days.partner.calls) < 60


def test_several_bad_events_of_several_kinds_cost_no_other() -> None:
    kinds = {"m-0": status(422), "m-1": status(500), "m-24": status(403), "m-25": status(413), "m-49": status(400)}

    def answering(request: HttpRequest) -> HttpResponse | HttpFailure:
        return next((kinds[one] for one in messages(request) if one in kinds), OK)

    days = ShardDays(answering, settings=BATCH)
    days.take(50)
    days.run(12 * HOURS)
    assert {message: how for message, how in days.ends().items() if how != "delivered"} == {
        "m-0": "discarded", "m-1": "expired", "m-24": "expired", "m-25": "discarded", "m-49": "discarded",
    }  # fmt: skip
    assert len(days.ends()) == 50


def test_an_outage_hammers_nobody_and_leaves_batches_behind_it() -> None:
    down = True
    days = ShardDays(lambda _: status(503) if down else OK, settings=BATCH)
    days.take(2_000)
    days.run(300)
    assert len(days.partner.calls) < 120
    assert [change.state for change in days.states()][:1] == ["open"]
    down = False
    failing = len(days.partner.calls)
    days.run(1_800)
    assert set(days.ends().values()) == {"delivered"} and len(days.ends()) == 2_000
    sizes = [len(ids) for _, ids in days.partner.calls[failing:]]
    assert sum(sizes) == 2_000 and len(sizes) < 700


@pytest.mark.parametrize("answer", [status(401), status(403)])
def test_wrong_credentials_cost_a_handful_of_calls_and_keep_every_event(answer: HttpResponse) -> None:
    wrong = True
    days = ShardDays(lambda _: answer if wrong else OK, settings={**BATCH, "concurrency": 1})
    days.take(5_000)
    days.run(55)
    assert len(days.partner.calls) == 4
    [stopped] = days.states()
    assert stopped.state == "setup"
    assert stopped.message == f"3 of the last 3 deliveries answered {answer.status} since 02:00 UTC: no"
    wrong = False
    days.run(3_600)
    assert list(days.ends().values()).count("delivered") == 5_000
    assert [change.state for change in days.states()] == ["setup", "ok"]


@pytest.mark.parametrize("setting", [{}, BATCH])
def test_a_firewall_that_dislikes_one_payload_in_ten_stops_nothing(setting: dict[str, Any]) -> None:
    disliked = {f"m-{number}" for number in range(0, 1_000, 10)}
    days = ShardDays(spoiled_by(status(403), *disliked), settings=setting, took_ms=1)
    days.run(100, rate=5)
    days.run(120)
    assert {change.state for change in days.states()} == {"ok"}
    assert set(days.ends()) == {f"m-{n}" for n in range(days.sent)} - disliked
    days.run(5 * HOURS)
    ends = days.ends()
    assert {ends[message] for message in disliked if message in ends} == {"expired"} and len(ends) == days.sent
    per_event = [sum(message in ids for _, ids in days.partner.calls) for message in sorted(disliked)[:20]]
    assert max(per_event) < 30


@pytest.mark.parametrize("code", ["TLS_ERROR", "ENOTFOUND", "ADDRESS_REFUSED"])
def test_one_call_that_finds_no_host_stops_nothing(code: str) -> None:
    days = ShardDays(one_by_one(*[OK] * 5, HttpFailure(code=code, message="eof")))
    days.run(20, rate=1)
    assert len(days.ends()) == days.sent - 1
    days.run(60)
    assert set(days.ends().values()) == {"delivered"} and len(days.ends()) == days.sent
    assert {change.state for change in days.states()} == {"ok"}


def test_a_single_delivery_that_is_refused_for_minutes_is_evidence_too() -> None:
    days = ShardDays(lambda _: status(401))
    days.take(1)
    days.run(60)
    assert days.states() == []
    days.run(60)
    [stopped] = days.states()
    assert stopped.message == "3 of the last 3 calls answered 401 since 02:00 UTC: no"


def test_evidence_and_the_isolation_of_a_batch_go_on_over_a_restart() -> None:
    days = ShardDays(spoiled_by(status(500)), settings=BATCH)
    days.take(50)
    days.run(30)
    days.restart()
    days.run(300)
    assert len(days.ends()) == 49
    refusing = ShardDays(lambda _: status(401), settings={"concurrency": 1, "calls_per_second": 1})
    refusing.take(3)
    refusing.run(1.5)
    assert len(refusing.partner.calls) == 2 and refusing.states() == []
    refusing.restart()
    refusing.run(5)
    assert [change.message[:20] for change in refusing.states()] == ["3 of the last 3 deli"]


def test_telling_a_batch_apart_keeps_to_the_rate_limit() -> None:
    days = ShardDays(spoiled_by(status(422)), settings={**BATCH, "calls_per_second": 2})
    days.take(50)
    days.run(60)
    assert list(days.ends().values()).count("delivered") == 49
    assert days.failed() == [] and {fact.attempt for fact in days.outcomes()} == {1}
    times = [at_ms for at_ms, _ in days.partner.calls]
    assert all(later - earlier >= 480 for earlier, later in zip(times, times[1:], strict=False))


def test_telling_a_batch_apart_ends_in_a_bounded_time_and_goes_on_from_the_snapshot() -> None:
    days = ShardDays(lambda _: status(422), settings=BATCH, took_ms=400)
    days.take(50)
    days.run(8)
    assert 0 < len(days.ends()) < 50
    days.restart()
    days.run(120)
    assert list(days.ends().values()) == ["discarded"] * 50
    assert {(fact.batch_items, fact.resent) for fact in days.outcomes()} == {(0, False)}


def test_when_a_destination_fails_while_a_batch_is_told_apart_the_rest_waits_for_it() -> None:
    days = ShardDays(one_by_one(status(422), status(429, **{"retry-after": "20"})), settings=BATCH)
    days.take(50)
    days.run(15)
    assert [len(ids) for _, ids in days.partner.calls] == [50, 25] and days.ends() == {}
    days.run(120)
    assert list(days.ends().values()) == ["delivered"] * 50


def test_an_event_that_always_fails_does_not_keep_a_recovered_destination_closed() -> None:
    days = ShardDays(
        lambda request: status(500) if days.clock() < down_until or BAD in messages(request) else OK,
        settings={"concurrency": 1, "breaker": {"min_calls": 5, "pause_seconds": 1}},
    )
    down_until = days.clock() + 5_000
    days.take(20)
    days.run(150, rate=1)
    closed = [change for change in days.states() if change.state == "ok"]
    assert len(closed) == 1 and closed[0].at_ms < down_until + 20_000
    assert len(days.ends()) >= days.sent - 2


def amplitude(hot: set[str], until_ms: int, clock: list[Clock]) -> Answering:
    """Throttle some users; a request that holds one of them is refused whole, and they are named."""

    def answering(request: HttpRequest) -> HttpResponse:
        users = messages(request)
        throttled = hot & set(users)
        if not throttled or clock[0]() >= until_ms:
            return OK
        named = {"throttled_users": dict.fromkeys(throttled, 44), "throttled_events": [0, 999_999]}
        named["throttled_events"] = [place for place, user in enumerate(users) if user in throttled]
        return HttpResponse(status=429, body=orjson.dumps({"code": 429, "error": "Too many requests", **named}))

    return answering


def test_a_throttled_user_of_amplitude_waits_alone_and_all_others_are_delivered_at_once() -> None:
    clock: list[Clock] = []
    days = ShardDays(
        amplitude({"hot"}, T0 + 120_000, clock),
        destination={"id": "crm", "type": "amplitude", "api_key": "${KEY}"},
    )
    clock.append(days.clock)
    days.about = lambda number: {"userId": "hot"} if number % 10 == 0 else {}
    days.run(92, rate=10)
    days.run(5)
    ended = days.ends()
    assert days.sent >= 919
    assert set(ended) == {f"m-{number}" for number in range(days.sent) if number % 10}
    assert set(ended.values()) == {"delivered"} and {fact.attempt for fact in days.outcomes()} == {1}
    assert max(fact.at_ms - fact.received_at_ms for fact in days.outcomes()) < 2_000
    assert {(fact.code, fact.failure) for fact in days.failed()} == {("AMPLITUDE_THROTTLED", "throttle")}
    again = [users for _, users in days.partner.calls if users[0] == "hot" and set(users) == {"hot"}]
    assert {len(users) for users in again} == {1}
    assert len(days.partner.calls) < 500
    assert {change.state for change in days.states()} == {"ok"}
    days.run(200)
    assert len(days.ends()) == days.sent and set(days.ends().values()) == {"delivered"}


def test_a_project_that_sends_too_much_to_amplitude_is_paused_as_a_whole() -> None:
    too_much = HttpResponse(status=429, headers={"retry-after": "20"}, body=b'{"code":429,"eps_threshold":30}')
    days = ShardDays(one_by_one(too_much), destination={"id": "crm", "type": "amplitude", "api_key": "${KEY}"})
    days.run(19, rate=5)
    assert len(days.partner.calls) == 1
    days.run(90)
    assert set(days.ends().values()) == {"delivered"} and len(days.ends()) == days.sent


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(2, 60),
    bad=st.dictionaries(st.integers(0, 59), st.sampled_from([400, 422, 500, 503, 403, 413, 301, 0]), max_size=8),
)
def test_whichever_events_are_bad_in_whichever_way_the_others_are_delivered(size: int, bad: dict[int, int]) -> None:
    def answering(request: HttpRequest) -> HttpResponse | HttpFailure:
        said = [bad[number] for number in (int(one[2:]) for one in messages(request)) if number in bad]
        if not said:
            return OK
        return status(said[0]) if said[0] else HttpFailure(code="ECONNRESET", message="")

    days = ShardDays(answering, settings={"batch": {"max_events": 30, "max_age_seconds": 1}})
    days.take(size)
    days.run(12 * HOURS)
    for number in range(size):
        ended = days.ends()[f"m-{number}"]
        if number not in bad:
            assert ended == "delivered"
        else:
            assert ended == ("expired" if bad[number] in (0, 403, 500, 503) else "discarded")


def test_one_event_in_four_that_always_fails_does_not_keep_the_others_waiting() -> None:
    days = ShardDays(lambda request: status(500) if int(messages(request)[0][2:]) % 4 == 0 else OK)
    days.run(400, rate=2)
    assert {change.state for change in days.states()} == {"ok"}
    delivered = [fact for fact in days.outcomes() if fact.state == "delivered"]
    assert len(delivered) >= 598
    assert {fact.attempt for fact in delivered} == {1}


@pytest.mark.parametrize("number", [429, 502, 503, 504])
def test_a_service_that_says_when_to_come_back_is_left_alone_till_then(number: int) -> None:
    days = ShardDays(one_by_one(status(number, **{"retry-after": "30"})), settings={"concurrency": 1})
    days.run(29, rate=5)
    assert len(days.partner.calls) == 1
    days.run(60)
    assert list(days.ends().values()) == ["delivered"] * days.sent
    assert [(fact.code, fact.failure) for fact in days.failed()] == [
        (str(number), "throttle" if number == 429 else "retry")
    ]


def test_a_retry_after_of_one_request_or_of_one_item_pauses_nobody_else() -> None:
    item = HttpResponse(
        status=207, headers={"retry-after": "30"}, body=orjson.dumps([{"status": 503}, *[{"status": 200}] * 4])
    )
    for answer, batch in ((status(500, **{"retry-after": "30"}), {}), (item, {"batch": {"max_events": 5}})):
        days = ShardDays(one_by_one(answer), settings=batch)
        days.run(10, rate=5)
        assert len(days.ends()) >= days.sent - 6


def test_an_hour_is_the_longest_pause() -> None:
    days = ShardDays(one_by_one(status(503, **{"retry-after": "999999"})))
    days.take(1)
    days.run(10)
    days.take(5)
    days.run(3_580)
    assert len(days.partner.calls) == 1
    days.run(1_500)
    assert list(days.ends().values()) == ["delivered"] * 6
