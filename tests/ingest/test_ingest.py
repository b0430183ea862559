"""The Tracking API over a real server and real topics: what is answered, and what stands in the topics then."""

import asyncio
import base64
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.http_server import serve_in_thread
from console.ingest import IngestLimits
from flows.topics import EVENTS, ProduceFailed, TopicFull, Topics
from model.identity import event_key
from tests.ingest.running import (
    WRITE_KEY,
    FaultyTopics,
    events,
    new_topics,
    records,
    rejections,
    running_ingest,
)

Answer = httpx.Response
DEADLINE_SECONDS = 10


@pytest.fixture
def topics(tmp_path: Path) -> Iterator[Topics]:
    opened = new_topics(tmp_path / "topics")
    yield opened
    opened.close()


@pytest.fixture
def url(topics: Topics) -> Iterator[str]:
    with running_ingest(topics) as base:
        yield base


def call(name: str = "Signed Up", **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": "u1", **fields}


def post(url: str, body: Any, path: str = "/v1/batch", *, key: str | None = WRITE_KEY, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(url + path, content=content, headers=sent, auth=(key, "") if key else None, timeout=30)


def eventually(ready: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := ready()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def codes(response: httpx.Response) -> list[tuple[int, str]]:
    return [(each["index"], each["code"]) for each in response.json()["rejected"]]


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("track", {"event": "e"}),
            ("t", {"event": "e"}),
            ("identify", {"traits": {"plan": "free"}}),
            ("i", {}),
            ("page", {"name": "Home"}),
            ("p", {}),
            ("screen", {}),
            ("s", {}),
            ("group", {"groupId": "g"}),
            ("g", {"groupId": "g"}),
            ("alias", {"previousId": "p"}),
            ("a", {"previousId": "p"}),
        ],
    )
    def test_each_call_has_a_long_and_a_short_path(
        self, topics: Topics, url: str, path: str, body: dict[str, Any]
    ) -> None:
        answer = post(url, {"userId": "u", "messageId": "m1", **body}, f"/v1/{path}")
        assert (answer.status_code, answer.content) == (200, b'{"success":true}')
        [(source, event)] = events(topics)
        assert (source, event["messageId"], event["type"][0]) == ("web", "m1", path[0])

    @pytest.mark.parametrize("path", ["batch", "import", "b"])
    def test_batches(self, topics: Topics, url: str, path: str) -> None:
        assert post(url, {"batch": [call(messageId="a"), call(messageId="b")]}, f"/v1/{path}").status_code == 200
        assert [event["messageId"] for _, event in events(topics)] == ["a", "b"]

    def test_the_browser_sdks_own_statistics_are_taken_and_dropped(self, topics: Topics, url: str) -> None:
        assert post(url, {"series": []}, "/v1/m", key=None).status_code == 200
        assert records(topics, EVENTS) == []

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_only_post_is_answered_on_tracking_paths(self, url: str, method: str) -> None:
        answer = httpx.request(method, url + "/v1/track")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    def test_another_path_is_not_found(self, url: str) -> None:
        answer = post(url, {}, "/v2/track")
        assert (answer.status_code, answer.json()["success"]) == (404, False)

    def test_health(self, url: str) -> None:
        assert httpx.get(url + "/health").json() == {"status": "ok"}


class TestAuthentication:
    def test_the_write_key_may_stand_in_the_body_beside_any_bearer_token(self, topics: Topics, url: str) -> None:
        body = {"writeKey": "app-key", "batch": [call()]}
        assert post(url, body, key=None, authorization="Bearer some.token").status_code == 200
        [(source, event)] = events(topics)
        assert source == "app"
        assert "writeKey" not in event

    def test_an_items_own_write_key_goes_first(self, topics: Topics, url: str) -> None:
        batch = [call(messageId="1", writeKey="app-key"), call(messageId="2")]
        assert post(url, {"batch": batch}).status_code == 200
        assert [source for source, _ in events(topics)] == ["app", "web"]

    @pytest.mark.parametrize("key", [None, "nobody"])
    def test_an_unknown_key_is_401(self, topics: Topics, url: str, key: str | None) -> None:
        answer = post(url, call(), "/v1/track", key=key)
        assert (answer.status_code, answer.json()["code"]) == (401, "unknown_source")
        assert "nobody" not in answer.text
        [fact] = eventually(lambda: rejections(topics))
        assert (fact.source, fact.code, fact.count) == ("", "unknown_source", 1)

    @pytest.mark.parametrize("key", [5, ["web-key"], {"a": 1}, True])
    def test_a_write_key_of_another_type_is_unknown(self, url: str, key: Any) -> None:
        assert post(url, {"writeKey": key, "batch": [call(writeKey=key)]}, key=None).status_code == 401

    @pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /////w==", "basic " + "A" * 5_000, "Bearer", ""])
    def test_a_header_that_cannot_be_read_is_401(self, url: str, header: str) -> None:
        assert post(url, call(), "/v1/track", key=None, authorization=header).status_code == 401

    def test_a_disabled_source_is_told_so(self, topics: Topics, url: str) -> None:
        answer = post(url, call(), "/v1/track", key="off-key")
        assert (answer.status_code, answer.json()["code"]) == (400, "source_disabled")
        assert [(fact.source, fact.code) for fact in rejections(topics)] == [("off", "source_disabled")]

    def test_many_unknown_keys_make_few_facts_that_carry_the_count(self, topics: Topics, url: str) -> None:
        with httpx.Client(base_url=url) as client:
            for number in range(100):
                client.post("/v1/track", json=call(writeKey=f"guess-{number}"))
        eventually(lambda: sum(fact.count for fact in rejections(topics)) == 100)
        assert len(rejections(topics)) < 60


class TestBrowsers:
    def test_text_plain_as_beacons_send_it_is_accepted_with_the_clients_address(self, topics: Topics, url: str) -> None:
        body = {"writeKey": WRITE_KEY, **call()}
        answer = post(url, body, "/v1/t", key=None, content_type="text/plain;charset=UTF-8", origin="https://a.example")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in {"*", "https://a.example"}
        assert events(topics)[0][1]["context"]["ip"] == "127.0.0.1"

    def test_a_preflight_allows_the_headers_the_sdk_sends(self, url: str) -> None:
        asked = {
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,x-retry-count",
        }
        answer = httpx.options(url + "/v1/t", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "authorization" in answer.headers["access-control-allow-headers"]

    def test_refusals_can_be_read_by_the_page_too(self, url: str) -> None:
        answer = post(url, b"nonsense", "/v1/t", origin="https://a.example")
        assert answer.status_code == 400
        assert "access-control-allow-origin" in answer.headers


class TestBatches:
    def test_a_bad_item_is_named_and_its_neighbours_are_stored(self, topics: Topics, url: str) -> None:
        batch = [call(messageId="a"), call(messageId="b", userId=5), "text", call(messageId="c")]
        answer = post(url, {"batch": batch})
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        assert codes(answer) == [(1, "id_not_string"), (2, "item_not_object")]
        assert answer.json()["rejected"][0]["messageId"] == "b"
        assert [event["messageId"] for _, event in events(topics)] == ["a", "c"]
        facts = {(fact.source, fact.code, fact.count, fact.message_id, fact.event_type) for fact in rejections(topics)}
        assert facts == {("web", "id_not_string", 1, "b", "track"), ("web", "item_not_object", 1, "", "")}

    def test_items_refused_for_one_reason_make_one_fact(self, topics: Topics, url: str) -> None:
        answer = post(url, {"batch": [call(event=1), call(event=2), call(event=3)]})
        assert (answer.status_code, answer.json()["code"]) == (400, "event_not_string")
        assert [(fact.code, fact.count) for fact in rejections(topics)] == [("event_not_string", 3)]

    def test_only_items_of_unknown_keys_are_401_and_mixed_reasons_400(self, url: str) -> None:
        assert post(url, {"batch": [call(), call()]}, key="nobody").status_code == 401
        answer = post(url, {"batch": [call(writeKey="nobody"), call(event=1)]})
        assert (answer.status_code, answer.json()["code"]) == (400, "empty_batch_result")

    @pytest.mark.parametrize(
        ("code", "item"),
        [
            ("invalid_string", rb'{"type":"track","event":"e","userId":"u","properties":{"a":"\ud83d"}}'),
            ("invalid_string", b'{"type":"track","event":"e","userId":"\xff"}'),
            ("not_json", b'{"type":"track","event":"e","userId":"u","properties":{"a":NaN}}'),
            ("not_json", b'{"type":"track","event":"e","userId":"u","properties":{"a":-Infinity}}'),
            ("not_json", b'{"type":"track","event":"e" oops}'),
            ("not_json", b'{"a":}}'),
            ("too_deep", b'{"type":"track","event":"e","userId":"u","context":' + b'{"a":' * 200 + b"1" + b"}" * 201),
            ("too_deep", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
            ("too_deep", b"[" * 100_000 + b"]" * 100_000),
            ("event_too_large", json.dumps(call(properties={"a": "x" * 33_000})).encode()),
            ("too_many_properties", json.dumps(call(properties={str(n): 1 for n in range(10_001)})).encode()),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_hostile_items_cost_only_themselves(self, topics: Topics, url: str, code: str, item: bytes) -> None:
        good = [json.dumps(call(messageId=name)).encode() for name in "ab"]
        answer = post(url, b'{"batch":[' + b",".join([good[0], item, good[1]]) + b'],"sentAt":"2026-01-01T00:00:00Z"}')
        assert answer.status_code == 200
        assert codes(answer) == [(1, code)]
        assert [event["messageId"] for _, event in events(topics)] == ["a", "b"]
        assert [fact.code for fact in rejections(topics)] == [code]
        assert post(url, {"batch": [call()]}).json() == {"success": True}

    @pytest.mark.parametrize(
        ("status", "code", "body"),
        [
            (400, "batch_not_array", {}),
            (400, "batch_not_array", []),
            (400, "batch_not_array", {"batch": {"0": 1}}),
            (400, "empty_batch", {"batch": []}),
            (400, "not_json", b"hello"),
            (400, "not_json", b""),
            (400, "context_not_object", {"batch": [1], "context": 1}),
            (400, "not_json", b'{"batch":[{}],"context":{"a":NaN}}'),
            (413, "too_many_items", {"batch": [call()] * 2_501}),
            (413, "batch_too_large", b" " * (500 * 1024 + 1)),
            (413, "batch_too_large", {"batch": [{"type": "x" * 1_000}] * 510}),
        ],
    )
    def test_a_request_that_is_wrong_as_a_whole_is_refused_and_recorded(
        self, topics: Topics, url: str, status: int, code: str, body: Any
    ) -> None:
        answer = post(url, body)
        assert (answer.status_code, answer.json()["code"], answer.json()["success"]) == (status, code, False)
        assert records(topics, EVENTS) == []
        [fact] = rejections(topics)
        count = len(body["batch"]) if code == "too_many_items" else 1
        assert (fact.source, fact.code, fact.count) == ("web", code, count)

    def test_2500_items_are_accepted(self, topics: Topics, url: str) -> None:
        assert post(url, {"batch": [call(messageId=f"{n}") for n in range(2_500)]}).json() == {"success": True}
        assert len(records(topics, EVENTS)) == 2_500

    def test_a_context_merged_into_many_items_cannot_fill_the_memory(self, topics: Topics, url: str) -> None:
        answer = post(url, {"batch": [call()] * 2_000, "context": {"a": "x" * 30_000}})
        assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")
        assert records(topics, EVENTS) == []
        assert [fact.count for fact in rejections(topics)] == [2_000]

    def test_a_batch_shares_its_context_and_one_time_of_receipt(self, topics: Topics, url: str) -> None:
        batch = [call(messageId="a"), call(messageId="b", context={"locale": "de"})]
        post(url, {"batch": batch, "context": {"locale": "en", "app": {"version": "1"}}})
        (_, first), (_, second) = events(topics)
        assert first["context"] == {"locale": "en", "app": {"version": "1"}}
        assert second["context"] == {"locale": "de", "app": {"version": "1"}}
        assert first["receivedAt"] == second["receivedAt"]

    def test_an_event_is_keyed_by_source_and_message_id(self, topics: Topics, url: str) -> None:
        post(url, {"batch": [call(messageId="a")]})
        [record] = records(topics, EVENTS)
        assert record.key == event_key("web", "a")


class TestSingleCalls:
    @pytest.mark.parametrize(
        ("status", "code", "body"),
        [
            (400, "not_json", b"{"),
            (400, "not_json", b'{"userId":NaN}'),
            (400, "invalid_string", rb'{"userId":"\udc00"}'),
            (400, "too_deep", b"[" * 5_000),
            (400, "item_not_object", b"[]"),
            (400, "no_user_anon_id", {"event": "e"}),
            (413, "event_too_large", {"userId": "u", "event": "e", "properties": {"a": "x" * 33_000}}),
            (413, "batch_too_large", {"userId": "u", "event": "e", "properties": {"a": "x" * 600_000}}),
        ],
    )
    def test_what_is_wrong_has_a_status_and_a_code(
        self, topics: Topics, url: str, status: int, code: str, body: Any
    ) -> None:
        answer = post(url, body, "/v1/track")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert [(fact.source, fact.code) for fact in rejections(topics)] == [("web", code)]


class TestBodies:
    def test_gzip(self, topics: Topics, url: str) -> None:
        body = gzip.compress(json.dumps({"batch": [call()]}).encode())
        assert post(url, body, content_encoding="gzip").status_code == 200
        assert len(records(topics, EVENTS)) == 1

    def test_a_zip_bomb_is_413(self, url: str) -> None:
        body = gzip.compress(b" " * 200_000_000, compresslevel=9)
        assert len(body) < 500 * 1024
        answer = post(url, body, content_encoding="gzip")
        assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")

    @pytest.mark.parametrize(
        "body",
        [b"not gzip", gzip.compress(b'{"batch":[]}')[:-4], gzip.compress(b"{}") * 2, gzip.compress(b"{}") + b"x", b""],
    )
    def test_broken_gzip_is_a_bad_request(self, url: str, body: bytes) -> None:
        answer = post(url, body, content_encoding="gzip")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")

    @pytest.mark.parametrize(
        "headers",
        [
            {"content_type": "application/x-www-form-urlencoded"},
            {"content_type": "application/json; charset=utf-16"},
            {"content_encoding": "br"},
        ],
    )
    def test_other_types_and_encodings_are_415(self, url: str, headers: dict[str, str]) -> None:
        answer = post(url, call(), "/v1/track", **headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "bad_request")

    def test_a_body_far_too_large_is_refused_before_it_ends(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as connection:
            connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            answer = threading.Thread(target=_send_for_ever, args=(connection, chunk), daemon=True)
            answer.start()
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
        answer.join(DEADLINE_SECONDS)

    def test_a_body_that_never_ends_is_408_and_others_are_served_meanwhile(self, topics: Topics) -> None:
        with running_ingest(topics, IngestLimits(body_timeout_seconds=0.5)) as url:
            host, port = url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as connection:
                key = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
                head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {key}\r\nContent-Length: 99\r\n\r\n"
                connection.sendall(head.encode() + b'{"batch":')
                assert post(url, {"batch": [call()]}).status_code == 200
                assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
                while connection.recv(1_000):  # until the server closes
                    pass
            assert [(fact.source, fact.code) for fact in rejections(topics)] == [("web", "request_timeout")]

    def test_bodies_arriving_at_once_share_a_budget(self, topics: Topics) -> None:
        with running_ingest(topics, IngestLimits(arriving_bytes=10_000)) as url:
            answer = post(url, {"batch": [call(properties={"a": "x" * 10_001})]})
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert post(url, {"batch": [call()]}).status_code == 200

    def test_a_sender_that_hangs_up_harms_nobody(self, topics: Topics, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(20):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        assert post(url, {"batch": [call()]}).status_code == 200


def _send_for_ever(connection: socket.socket, chunk: bytes) -> None:
    try:
        while True:
            connection.sendall(chunk)
    except OSError:
        pass


class TestShedding:
    @pytest.fixture
    def faulty(self, topics: Topics) -> FaultyTopics:
        return FaultyTopics(topics)

    @pytest.mark.parametrize("failure", [TopicFull("disk full at /data"), ProduceFailed("no"), RuntimeError("bug")])
    def test_what_cannot_be_stored_is_503_and_later_requests_are_served(
        self, topics: Topics, faulty: FaultyTopics, failure: Exception
    ) -> None:
        with running_ingest(faulty) as url:
            faulty.failure = failure
            answer = post(url, {"batch": [call(messageId="a")]})
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert "/data" not in answer.text
            assert post(url, {"batch": [{}]}).status_code == 503  # a rejection that cannot be recorded is no answer
            faulty.failure = None
            assert post(url, {"batch": [call(messageId="b")]}).status_code == 200
            assert [event["messageId"] for _, event in events(topics)] == ["b"]
            assert rejections(topics) == []

    def test_requests_waiting_together_share_a_flush_and_the_queue_is_bounded(
        self, topics: Topics, faulty: FaultyTopics
    ) -> None:
        async def post_all(url: str) -> list[int]:
            async with httpx.AsyncClient(base_url=url, auth=(WRITE_KEY, ""), timeout=30) as client:
                body = call(properties={"a": "x" * 900})
                sent = [asyncio.create_task(client.post("/v1/track", json=body)) for _ in range(50)]
                while sum(task.done() for task in sent) < 41:  # those shed are answered while the others wait
                    await asyncio.sleep(0.01)
                faulty.gate.set()
                return [answer.status_code for answer in await asyncio.gather(*sent)]

        with running_ingest(faulty, IngestLimits(waiting_bytes=10_000)) as url:
            faulty.gate.clear()
            statuses = asyncio.run(asyncio.wait_for(post_all(url), 30))
        accepted = statuses.count(200)
        assert sorted(set(statuses)) == [200, 429]
        assert accepted == len(records(topics, EVENTS)) <= 10
        assert faulty.flushes <= 3

    def test_more_requests_than_allowed_in_a_second_are_429(self, topics: Topics) -> None:
        with running_ingest(topics, IngestLimits(requests_per_second=5)) as url, httpx.Client(base_url=url) as client:
            answers = [client.post("/v1/track", json=call(writeKey=WRITE_KEY)) for _ in range(30)]
        shed = [answer for answer in answers if answer.status_code == 429]
        assert shed
        assert {answer.headers["retry-after"] for answer in shed} == {"1"}
        assert len(records(topics, EVENTS)) == 30 - len(shed)


def test_requests_at_once_lose_nothing(topics: Topics, url: str) -> None:
    def send(worker: int) -> None:
        with httpx.Client(base_url=url, auth=(WRITE_KEY, "")) as client:
            for number in range(20):
                batch = [call(messageId=f"{worker}-{number}-{item}") for item in range(5)]
                assert client.post("/v1/batch", json={"batch": batch}).status_code == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))
    ids = [event["messageId"] for _, event in events(topics)]
    assert len(ids) == len(set(ids)) == 800


CHILD = """
import sys
from pathlib import Path
from tests.ingest.running import new_topics, running_ingest
with running_ingest(new_topics(Path(sys.argv[1]))) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def test_what_was_answered_with_success_survives_kill_9(tmp_path: Path) -> None:
    directory = tmp_path / "topics"
    arguments = [sys.executable, "-c", CHILD, str(directory)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        answered: list[str] = []
        sender = threading.Thread(target=_send_until_it_breaks, args=(url, answered))
        sender.start()
        eventually(lambda: len(answered) >= 50)
        os.kill(child.pid, signal.SIGKILL)
        sender.join(DEADLINE_SECONDS)
    topics = new_topics(directory)
    stored = {event["messageId"] for _, event in events(topics)}
    topics.close()
    assert set(answered) <= stored
    assert len(stored) <= len(answered) + 1  # at most the one under way


def _send_until_it_breaks(url: str, answered: list[str]) -> None:
    try:
        with httpx.Client(base_url=url, auth=(WRITE_KEY, "")) as client:
            for number in range(1_000_000):
                if client.post("/v1/track", json=call(messageId=str(number))).status_code == 200:
                    answered.append(str(number))
    except httpx.TransportError:
        pass


class TestServer:
    def test_a_taken_port_is_an_error_at_once(self, url: str) -> None:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"):
            serve_in_thread(_nothing, "127.0.0.1", port)

    def test_a_stopped_server_has_answered_and_stored_what_was_under_way(self, topics: Topics) -> None:
        faulty = FaultyTopics(topics)
        with ThreadPoolExecutor(1) as pool:
            with running_ingest(faulty) as url:
                faulty.gate.clear()
                answer = pool.submit(post, url, {"batch": [call()]})
                eventually(lambda: faulty.waiting)
                threading.Timer(0.2, faulty.gate.set).start()
            assert answer.result().status_code == 200
        assert len(records(topics, EVENTS)) == 1


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    return None
