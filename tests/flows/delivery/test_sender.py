import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from flows.delivery.responses import BatchResult
from flows.delivery.sending import BatchSender
from flows.functions import host
from flows.workspace.compiled import compile_workspace
from model.delivery.delivery import Delivery
from model.http.failure import FailureClass
from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from tests.kit.fakes import Clock, ScriptedEngine
from tests.kit.samples import T0, delivery
from tests.kit.workspaces import connection, webhook, workspace

OK = HttpResponse(status=200)
Answering = Callable[[HttpRequest], HttpResponse | HttpFailure]


class Functions(host.FunctionHost):
    """Answers as told instead of running anything."""

    def __init__(self, result: host.FunctionResult | None = None) -> None:
        super().__init__()
        self.result = result
        self.ran: list[dict[str, Any]] = []

    async def run(
        self, handler: str, event: dict[str, Any], settings: dict[str, Any], connection: str = ""
    ) -> host.FunctionResult:
        self.ran.append(event)
        assert self.result is not None
        return self.result


def event(number: int, **properties: Any) -> bytes:
    return orjson.dumps({"type": "track", "event": "Bought", "properties": {"number": number, **properties}})


def some(count: int) -> list[Delivery]:
    return [delivery(events_offset=number, event=event(number)) for number in range(count)]


def ship(
    deliveries: list[Delivery],
    answering: Answering = lambda request: OK,
    *,
    functions: host.FunctionHost | None = None,
    settings: dict[str, Any] | None = None,
    **of_connection: Any,
) -> tuple[BatchResult, list[HttpRequest]]:
    configuration = compile_workspace(
        workspace([webhook("crm", **(settings or {}))], [connection("web", "crm", **of_connection)])
    )
    engine = ScriptedEngine(answering)
    sender = BatchSender(
        configuration=lambda: configuration, engine=engine, functions=functions or Functions(), clock=Clock(T0)
    )
    return asyncio.run(sender.send(deliveries)), engine.begun


def numbers(request: HttpRequest) -> list[int]:
    return [sent["properties"]["number"] for sent in orjson.loads(request.body)]


def codes(batch_result: BatchResult) -> list[str]:
    return [one.answer.code for one in batch_result.deliveries]


BATCH = {"batch": {"max_events": 10}}


def test_a_batch_is_one_call_and_its_answer_is_everybodys() -> None:
    batch_result, requests = ship(some(5), settings=BATCH)
    assert [numbers(request) for request in requests] == [[0, 1, 2, 3, 4]]
    assert {one.answer.failure for one in batch_result.deliveries} == {FailureClass.DELIVERED}
    assert {one.answer.batch_items for one in batch_result.deliveries} == {0}
    assert len(batch_result.calls) == 1


def test_one_bad_event_never_takes_its_neighbours_along() -> None:
    def answering(request: HttpRequest) -> HttpResponse:
        bad = 3 in numbers(request)
        return HttpResponse(status=400, body=b'{"message":"no 3"}') if bad else OK

    batch_result, requests = ship(some(8), answering, settings=BATCH)
    assert codes(batch_result) == ["", "", "", "400", "", "", "", ""]
    assert batch_result.deliveries[3].answer.batch_items == 0  # it stood alone when it was refused
    assert len(requests) == 7 == len(batch_result.calls)
    assert [one.delivery.events_offset for one in batch_result.deliveries] == list(range(8))


def test_a_batch_that_is_too_large_is_halved_too() -> None:
    def answering(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=413) if len(numbers(request)) > 2 else OK

    batch_result, _ = ship(some(8), answering, settings=BATCH)
    assert set(codes(batch_result)) == {""}


def test_a_failure_of_the_whole_batch_says_so_and_is_not_split() -> None:
    batch_result, requests = ship(some(4), lambda _: HttpResponse(status=503), settings=BATCH)
    assert len(requests) == 1
    assert {(one.answer.code, one.answer.batch_items) for one in batch_result.deliveries} == {("503", 4)}


def test_a_207_is_read_item_by_item_with_the_destinations_own_rules() -> None:
    said = [{"status": 200}, {"status": 400, "message": "bad"}, {"status": 503}, {"status": 409}]
    answer = HttpResponse(status=207, body=orjson.dumps(said))
    rules = {"failures": [{"status": 409, "class": "delivered"}]}
    batch_result, _ = ship(some(5), lambda _: answer, settings={**BATCH, **rules})
    failures = [one.answer.failure for one in batch_result.deliveries]
    retry = FailureClass.RETRY
    assert failures == [FailureClass.DELIVERED, FailureClass.DISCARD, retry, FailureClass.DELIVERED, retry]
    assert codes(batch_result)[-1] == "BATCH_ITEM_MISSING"


@pytest.mark.parametrize(
    ("statuses", "failure", "code"),
    [
        ([401, 401, 403], FailureClass.SETUP, "401"),
        ([503, 500, 502], FailureClass.RETRY, "503"),
        ([503, 401, 503], FailureClass.DELIVERED, ""),
        ([503, 503, 400], FailureClass.DELIVERED, ""),
        ([429, 429, 429], FailureClass.DELIVERED, ""),
        ([200, 401, 401], FailureClass.DELIVERED, ""),
    ],
)
def test_a_call_answered_item_by_item_failed_when_all_its_items_did(
    statuses: list[int], failure: FailureClass, code: str
) -> None:
    body = orjson.dumps([{"status": status} for status in statuses])
    answer = HttpResponse(status=207, headers={"retry-after": "30"}, body=body)
    [call] = ship(some(3), lambda _: answer, settings=BATCH)[0].calls
    assert (call.failure, call.code, call.retry_after_ms) == (failure, code, None)


@pytest.mark.parametrize(
    ("status", "rules", "pause_ms"),
    [
        (429, {}, 30_000),
        (502, {}, 30_000),
        (503, {}, 30_000),
        (529, {}, 30_000),
        (500, {}, None),
        (307, {}, None),
        (408, {}, None),
        (403, {"failures": [{"status": 403, "class": "throttle"}]}, 30_000),
    ],
)
def test_a_retry_after_counts_for_the_destination_where_it_speaks_of_the_service(
    status: int, rules: dict[str, Any], pause_ms: int | None
) -> None:
    said = HttpResponse(status=status, headers={"retry-after": "30"})
    batch_result, _ = ship(some(1), lambda _: said, settings=rules)
    assert [call.retry_after_ms for call in batch_result.calls] == [pause_ms]
    assert batch_result.deliveries[0].answer.retry_after_ms == 30_000


def test_a_batch_refused_for_wrong_credentials_is_tried_with_three_of_its_events() -> None:
    batch_result, requests = ship(some(9), lambda _: HttpResponse(status=401), settings=BATCH)
    assert [numbers(request) for request in requests] == [list(range(9)), [0], [4], [8]]
    assert [one.answer.batch_items for one in batch_result.deliveries] == [0, 9, 9, 9, 0, 9, 9, 9, 0]
    assert [call.delivery for call in batch_result.calls] == [some(9)[place].delivery_id for place in (0, 0, 4, 8)]


@pytest.mark.parametrize(("count", "limit"), [(1_000, 64), (64, 8), (50, 4), (8, 1), (2, 1)])
def test_a_batch_that_met_a_passing_fault_comes_back_in_smaller_ones(count: int, limit: int) -> None:
    failing = HttpFailure(code="ETIMEDOUT", message="")
    batch_result, requests = ship(some(count), lambda _: failing, settings={"batch": {"max_events": 1_000}})
    assert len(requests) == 1
    assert {one.answer.batch_limit for one in batch_result.deliveries} == {limit}


def test_what_a_destinations_rules_say_of_an_answer_goes() -> None:
    rules = {"failures": [{"status": 400, "body": "already there", "class": "delivered"}]}
    said = HttpResponse(status=400, body=b'{"message":"already there"}')
    assert codes(ship(some(1), lambda _: said, settings=rules)[0]) == [""]
    assert codes(ship(some(1), lambda _: HttpResponse(status=400), settings=rules)[0]) == ["400"]


def test_a_mapping_shapes_what_is_sent() -> None:
    mapping = {"name": "n", "mapping": {"value": {"@path": "$.properties.number"}}}
    _, requests = ship([delivery(event=event(7), mapping="n")], mappings=[mapping])
    assert orjson.loads(requests[0].body) == {"value": 7}


def test_a_mapping_that_is_gone_discards_what_waited_for_it() -> None:
    batch_result, requests = ship([delivery(mapping="old")], mappings=[{"name": "new"}])
    (one,) = batch_result.deliveries
    assert (one.answer.failure, one.answer.code, one.answer.called) == (FailureClass.DISCARD, "MAPPING_REMOVED", False)
    assert requests == [] and batch_result.calls == ()


def test_an_insert_function_changes_the_event_once_for_all_attempts() -> None:
    functions = Functions(host.Returned(event={"type": "track", "properties": {"number": 99}}))
    batch_result, requests = ship(some(1), functions=functions, insert_function="package.module:handler")
    (one,) = batch_result.deliveries
    assert orjson.loads(requests[0].body)["properties"] == {"number": 99}
    assert one.delivery.inserted and b"99" in one.delivery.event
    again, _ = ship([one.delivery], functions=functions, insert_function="package.module:handler")
    assert len(functions.ran) == 1 and again.deliveries[0].answer.failure is FailureClass.DELIVERED


@pytest.mark.parametrize(
    ("result", "failure", "code"),
    [
        (host.NoEvent("FILTERED_BY_FUNCTION", "test user"), FailureClass.FILTER, "FILTERED_BY_FUNCTION"),
        (host.NoEvent("FUNCTION_RETRY", "later"), FailureClass.RETRY, "FUNCTION_RETRY"),
        (host.NoEvent("FUNCTION_REJECTED", "no email"), FailureClass.DISCARD, "FUNCTION_REJECTED"),
        (host.NoEvent("FUNCTION_FAILED", "KeyError"), FailureClass.DISCARD, "FUNCTION_FAILED"),
        (host.NoEvent("FUNCTION_CRASHED", "signal 11"), FailureClass.DISCARD, "FUNCTION_CRASHED"),
        (host.NoEvent("FUNCTION_TIMEOUT", "5 s"), FailureClass.RETRY, "FUNCTION_TIMEOUT"),
        (host.NoEvent("FUNCTION_UNAVAILABLE", "no module"), FailureClass.RETRY, "FUNCTION_UNAVAILABLE"),
        (host.NoEvent("FUNCTION_PAUSED", "it hangs"), FailureClass.THROTTLE, "FUNCTION_PAUSED"),
    ],
)
def test_what_an_insert_function_says_decides_and_nothing_is_sent(
    result: host.FunctionResult, failure: FailureClass, code: str
) -> None:
    batch_result, requests = ship(some(1), functions=Functions(result), insert_function="package.module:handler")
    (one,) = batch_result.deliveries
    assert (one.answer.failure, one.answer.code, one.answer.called) == (failure, code, False)
    assert requests == [] and not one.delivery.inserted


def test_mapped_payloads_larger_than_their_events_are_divided_by_their_real_size() -> None:
    mapping = {"name": "n", "mapping": {"properties": {"@path": "$.properties"}, "padding": "x" * 400}}
    deliveries = [delivery(events_offset=n, event=event(n), mapping="n") for n in range(6)]
    _, requests = ship(deliveries, settings={"batch": {"max_events": 10, "max_bytes": 1_024}}, mappings=[mapping])
    assert [len(numbers(request)) for request in requests] == [2, 2, 2]
    assert all(len(request.body) <= 1_024 for request in requests)


def test_messages_of_partners_and_functions_are_redacted_before_anything_is_written() -> None:
    said = HttpResponse(status=400, body=b'{"message":"ada@example.com is unknown"}')
    assert "ada@" not in ship(some(1), lambda _: said)[0].deliveries[0].answer.message
    functions = Functions(host.NoEvent("FUNCTION_REJECTED", "ada@example.com"))
    batch_result, _ = ship(some(1), functions=functions, insert_function="package.module:handler")
    assert "ada@" not in batch_result.deliveries[0].answer.message
