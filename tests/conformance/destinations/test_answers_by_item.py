"""A large batch answered item by item, over both HTTP engines: whatever the answer's size, coding and form."""

import gzip
import zlib
from typing import Any

import orjson
import pytest

from flows.delivery.responses import classify_response
from flows.workspace.compiled import compile_workspace
from model.delivery.attempt import AttemptResult
from model.destinations.destination import Item
from model.http.failure import FailureClass
from model.http.messages import ITEMS_BODY_LIMIT_BYTES
from tests.kit.http_calls import MakeEngine, run, served
from tests.kit.http_server import Seen, keeps_open, says_and_closes
from tests.kit.samples import T0
from tests.kit.workspaces import webhook, workspace

EVENTS = 600
BAD = frozenset(range(50, EVENTS, 100))
DECLARED = [{"status": 200, "items": {"list": "$.results", "by": "position", "status": "statusCode"}}]


def entries(name: str = "status", filler: str = "") -> list[dict[str, Any]]:
    return [
        {name: 422, "message": "no plan", "echo": filler} if number in BAD else {name: 200, "echo": filler}
        for number in range(EVENTS)
    ]


def said(content: bytes, *, status: int = 207, coding: str = "", length: int | None = None) -> Any:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content) if length is None else length}\r\n"
    head += f"Content-Encoding: {coding}\r\n\r\n" if coding else "\r\n"
    return head.encode() + content


def answered(make_engine: MakeEngine, head_and_body: bytes, **settings: Any) -> list[AttemptResult]:
    """What comes of a batch that is answered so."""
    found: list[AttemptResult] = []

    async def test() -> None:
        async def behave(seen: Seen, reader: Any, writer: Any) -> bool:
            assert len(orjson.loads(seen.body)) == EVENTS
            writer.write(head_and_body)
            await writer.drain()
            return False

        async with served(make_engine) as (engine, server):
            server.on("/", behave)
            url = f"http://127.0.0.1:{server.port}/"
            configured = {"url": url, "batch": {"max_events": 1_000}, "timeout_seconds": 2, **settings}
            configuration = compile_workspace(workspace([webhook("crm", **configured)]))
            setup = configuration.destinations["crm"]
            sent = [Item(f"d-{number}", b'{"n":%d}' % number) for number in range(EVENTS)]
            result = await engine.send(setup.destination.request(sent, T0))
            found.extend(classify_response(result, sent, setup, configuration.redactor, now_ms=T0, http_ms=1).answers)

    run(test())
    return found


PLAIN = orjson.dumps(entries())
LARGE = orjson.dumps(entries(filler="x" * 1_000))


@pytest.mark.parametrize(
    "answer",
    [
        said(PLAIN),
        said(LARGE),
        said(gzip.compress(LARGE), coding="gzip"),
        said(zlib.compress(PLAIN), coding="deflate"),
        said(orjson.dumps({"results": entries()})),
        said(gzip.compress(orjson.dumps({"multistatus": entries("status", "y" * 500)})), coding="gzip"),
    ],
    ids=["plain", "large", "large gzip", "deflate", "object", "large gzip object"],
)
def test_those_refused_are_discarded_and_the_others_delivered(make_engine: MakeEngine, answer: bytes) -> None:
    answers = answered(make_engine, answer)
    assert {number for number, one in enumerate(answers) if one.failure is FailureClass.DISCARD} == BAD
    assert sum(one.failure is FailureClass.DELIVERED for one in answers) == EVENTS - len(BAD)


def test_answers_the_workspace_declares_are_read_the_same_way(make_engine: MakeEngine) -> None:
    content = gzip.compress(orjson.dumps({"results": entries("statusCode", "z" * 500)}))
    answers = answered(make_engine, said(content, status=200, coding="gzip"), answers=DECLARED)
    assert {number for number, one in enumerate(answers) if one.code == "422"} == BAD


@pytest.mark.parametrize(
    "answer",
    [
        said(b"\x0b\x02\x80{}\x03", coding="br"),
        said(gzip.compress(gzip.compress(PLAIN)), coding="gzip, gzip"),
        said(gzip.compress(PLAIN)[:-20], coding="gzip"),
        said(PLAIN, coding="gzip"),
        said(PLAIN[:-50], length=len(PLAIN)),
        said(PLAIN[:-50]),
        said(b"[" + b" " * ITEMS_BODY_LIMIT_BYTES + PLAIN[1:]),
        said(gzip.compress(b"[" + b" " * ITEMS_BODY_LIMIT_BYTES + PLAIN[1:]), coding="gzip"),
        b"HTTP/1.1 207 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{}, \r\nzz\r\n",
    ],
    ids=["br", "layers", "gzip cut", "not gzip", "cut", "not JSON", "too long", "gzip too long", "bad chunk"],
)
def test_what_cannot_be_read_delivers_nothing_and_says_so(make_engine: MakeEngine, answer: bytes) -> None:
    answers = answered(make_engine, answer)
    assert {(one.code, one.failure, one.batch_items) for one in answers} == {
        ("ANSWER_UNREADABLE", FailureClass.RETRY, EVENTS)
    }
    assert "could not be read" in answers[0].message


@pytest.mark.parametrize("status", [200, 503])
def test_where_the_status_alone_decides_a_body_that_cannot_be_read_changes_nothing(
    make_engine: MakeEngine, status: int
) -> None:
    answers = answered(make_engine, said(PLAIN[:-50], status=status, coding="br", length=len(PLAIN)))
    assert {one.code for one in answers} == {"" if status == 200 else "503"}


@pytest.mark.parametrize("behaviour", [says_and_closes, keeps_open], ids=["cut", "kept open"])
def test_a_single_event_answered_200_is_delivered_by_one_call(make_engine: MakeEngine, behaviour: Any) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", behaviour("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
            url = f"http://127.0.0.1:{server.port}/"
            configuration = compile_workspace(workspace([webhook("crm", url=url, timeout_seconds=0.5)]))
            setup = configuration.destinations["crm"]
            sent = [Item("d-1", b"{}")]
            result = await engine.send(setup.destination.request(sent, T0))
            said = classify_response(result, sent, setup, configuration.redactor, now_ms=T0, http_ms=1)
            assert said.end.failure is said.answers[0].failure is FailureClass.DELIVERED
            assert len(server.requests) == 1

    run(test())
