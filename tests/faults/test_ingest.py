"""Ingest under senders that misbehave, topics that fail and a process that is killed."""

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
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.ingest.limits import IngestLimits
from console.server.http_server import serve_in_thread
from flows.topics.interface import EVENTS, ProduceFailed, TopicFull, Topics
from tests.kit.ingest import (
    DEADLINE_SECONDS,
    WRITE_KEY,
    FaultyTopics,
    call,
    events,
    eventually,
    new_topics,
    post,
    records,
    rejections,
    running_ingest,
)


class TestBodies:
    def test_gzip(self, topics: Topics, url: str) -> None:
        body = gzip.compress(json.dumps({"batch": [call()]}).encode())
        assert post(url, body, content_encoding="gzip").status_code == 200
        assert len(records(topics, EVENTS)) == 1

    @pytest.mark.parametrize(
        ("packed", "coding"),
        [
            # gzip says itself what it is; zlib and raw deflate are known by the coding that is named.
            *product(["gzip", "nothing"], ["gzip", "x-gzip", "deflate", "identity", ""]),
            *product(["zlib", "raw deflate"], ["deflate"]),
        ],
    )
    def test_a_compressed_body_is_read_as_what_it_is(self, topics: Topics, url: str, packed: str, coding: str) -> None:
        body = json.dumps({"batch": [call()]}).encode()
        bits = {"gzip": 31, "zlib": 15, "raw deflate": -15, "nothing": 0}[packed]
        if bits:
            packer = zlib.compressobj(wbits=bits)
            body = packer.compress(body) + packer.flush()
        assert post(url, body, content_encoding=coding).json() == {"success": True}
        assert len(records(topics, EVENTS)) == 1

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/json; charset=nonsense",
            "application/json;charset=",
            "text/plain;charset=UTF-8",
            "multipart/form-data; boundary=x",
            "application/octet-stream",
            "/",
            "",
        ],
    )
    def test_json_is_json_whatever_its_content_type_says(self, topics: Topics, url: str, content_type: str) -> None:
        body = json.dumps({"batch": [call("Grüße")]}, ensure_ascii=False).encode()
        assert post(url, gzip.compress(body), content_encoding="gzip", content_type=content_type).status_code == 200
        assert post(url, body, content_type=content_type).json() == {"success": True}
        assert [event["event"] for _, event in events(topics)] == ["Grüße", "Grüße"]

    @pytest.mark.parametrize(
        ("encoding", "content_type"),
        [
            ("utf-8-sig", "application/json"),
            ("utf-16", "application/json; charset=utf-16"),
            ("utf-16-le", "application/json"),
            ("utf-32-be", "application/json"),
            ("latin-1", "application/json; charset=ISO-8859-1"),
            ("cp1252", 'text/plain; charset="windows-1252"'),
            ("utf-8", "application/json; charset=iso-8859-1"),  # its bytes are UTF-8 and say so
        ],
    )
    def test_text_in_another_encoding_is_read_by_it(
        self, topics: Topics, url: str, encoding: str, content_type: str
    ) -> None:
        body = json.dumps(call("Grüße"), ensure_ascii=False).encode(encoding)
        assert post(url, body, "/v1/track", content_type=content_type).status_code == 200
        assert [event["event"] for _, event in events(topics)] == ["Grüße"]

    @pytest.mark.parametrize("body", [b"data=%7B%22event%22%3A1%7D", b"event=e&userId=u", b"<xml/>"])
    def test_what_is_no_json_is_refused_as_that(self, url: str, body: bytes) -> None:
        answer = post(url, body, content_type="application/x-www-form-urlencoded")
        assert (answer.status_code, answer.json()["code"]) == (400, "not_json")

    def test_a_zip_bomb_is_413(self, url: str) -> None:
        body = gzip.compress(b" " * 200_000_000, compresslevel=9)
        assert len(body) < 500 * 1024
        answer = post(url, body, content_encoding="gzip")
        assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")

    def test_a_deflate_bomb_is_413(self, url: str) -> None:
        answer = post(url, zlib.compress(b" " * 100_000_000, 9), content_encoding="deflate")
        assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")

    @pytest.mark.parametrize(
        "body",
        [b"not gzip", gzip.compress(b'{"batch":[]}')[:-4], gzip.compress(b"{}") * 2, gzip.compress(b"{}") + b"x", b""],
    )
    def test_broken_gzip_is_a_bad_request(self, url: str, body: bytes) -> None:
        answer = post(url, body, content_encoding="gzip")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")

    @pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
    def test_other_codings_are_415(self, url: str, coding: str) -> None:
        answer = post(url, call(), "/v1/track", content_encoding=coding)
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
                faulty.circuit.set()
                return [answer.status_code for answer in await asyncio.gather(*sent)]

        with running_ingest(faulty, IngestLimits(waiting_bytes=10_000)) as url:
            faulty.circuit.clear()
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
from tests.kit.ingest import new_topics, running_ingest
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
                faulty.circuit.clear()
                answer = pool.submit(post, url, {"batch": [call()]})
                eventually(lambda: faulty.waiting)
                threading.Timer(0.2, faulty.circuit.set).start()
            assert answer.result().status_code == 200
        assert len(records(topics, EVENTS)) == 1


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    return None
