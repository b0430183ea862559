"""What ingest refuses is recorded item by item, by messageId, whatever it is refused for."""

import gzip
import json
from typing import Any

import httpx
import pytest

from flows.topics.interface import Topics
from tests.kit.ingest import WRITE_KEY, call, events, eventually, post, rejections


class TestRefusals:
    def test_unknown_keys_with_many_message_ids_make_bounded_facts(self, topics: Topics, url: str) -> None:
        with httpx.Client(base_url=url) as client:
            batch = [call(messageId=f"m{n}") for n in range(1_000)]
            assert client.post("/v1/batch", json={"writeKey": "guess", "batch": batch}).status_code == 401
        eventually(lambda: sum(fact.count for fact in rejections(topics)) == 1_000)
        assert len(rejections(topics)) == 251

    def test_many_unknown_keys_make_few_facts_that_carry_the_count(self, topics: Topics, url: str) -> None:
        with httpx.Client(base_url=url) as client:
            for number in range(100):
                client.post("/v1/track", json=call(writeKey=f"guess-{number}"))
        eventually(lambda: sum(fact.count for fact in rejections(topics)) == 100)
        assert len(rejections(topics)) < 60

    @pytest.mark.parametrize("coding", ["", "gzip"])
    @pytest.mark.parametrize("key", [WRITE_KEY, None])
    def test_the_items_of_a_request_too_large_are_recorded(
        self, topics: Topics, url: str, key: str | None, coding: str
    ) -> None:
        batch = [call(messageId=f"m{n}", properties={"a": "x" * 9_000}) for n in range(100)]
        body = json.dumps({"batch": batch, "writeKey": WRITE_KEY}).encode()
        answer = post(url, gzip.compress(body) if coding else body, key=key, content_encoding=coding)
        assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")
        assert "ingest.max_request_bytes" in answer.json()["message"]
        assert "512,000" in answer.json()["message"]
        facts = rejections(topics)
        assert {(fact.source, fact.message_id, fact.count) for fact in facts} == {
            ("web", f"m{n}", 1) for n in range(100)
        }

    @pytest.mark.parametrize(
        "body", [b'[{"messageId":"a"},{"messageId":"b"}]', b'{"bitch":[{"messageId":"a","messageId":"b"']
    )
    def test_the_items_of_a_body_that_is_no_batch_are_recorded(self, topics: Topics, url: str, body: bytes) -> None:
        assert post(url, body).status_code == 400
        assert sorted(fact.message_id for fact in rejections(topics)) == ["a", "b"]

    def test_items_of_an_unknown_key_are_recorded(self, topics: Topics, url: str) -> None:
        assert post(url, {"batch": [call(messageId="a"), call(messageId="b")]}, key="nobody").status_code == 401
        facts = eventually(lambda: found if len(found := rejections(topics)) == 2 else None)
        assert {(fact.source, fact.code, fact.message_id) for fact in facts} == {
            ("", "unknown_source", "a"),
            ("", "unknown_source", "b"),
        }

    def test_refusals_carry_their_text_in_error_too(self, url: str) -> None:
        refusals = [
            post(url, b"{", "/v1/track"),
            post(url, {"batch": [{}]}),
            post(url, {"batch": []}),
            post(url, call(), "/v1/track", key="nobody"),
            post(url, b" " * 600_000),
            post(url, {}, "/v1/nothing"),
            httpx.get(url + "/v1/track"),
        ]
        assert [answer.status_code for answer in refusals] == [400, 400, 400, 401, 413, 404, 405]
        for answer in refusals:
            said = answer.json()
            assert said["error"] and said["error"] == said["message"]

    @pytest.mark.parametrize(
        ("code", "message", "broken"),
        [
            ("not_json", "NaN", b'{"messageId":"bad","type":"track","event":"e","userId":"u","properties":{"a":NaN}}'),
            ("not_json", "Infinity", b'{"type":"track","event":"e","userId":"u","a":[-Infinity],"messageId": "bad"}'),
            ("not_json", "character", b'{"type":"track","event":"e" oops, "messageId"\n:\t"bad"}'),
            ("number_too_large", "text", b'{"type":"track","properties":{"messageId":5,"a":1e999},"messageId":"bad"}'),
            ("event_not_string", "string", b'{"type":"track","userId":"u","event":5,"messageId":"bad"}'),
            ("too_deep", "flatten", b'{"type":"track","messageId":"bad","a":' + b"[" * 2_000 + b"]" * 2_000 + b"}"),
        ],
    )
    def test_a_refused_item_is_recorded_with_its_message_id_and_type(
        self, topics: Topics, url: str, code: str, message: str, broken: bytes
    ) -> None:
        answer = post(url, b'{"batch":[' + broken + b"," + json.dumps(call(messageId="good")).encode() + b"]}")
        [said] = answer.json()["rejected"]
        assert (said["messageId"], said["code"]) == ("bad", code)
        assert message in said["message"]
        [fact] = rejections(topics)
        assert (fact.source, fact.code, fact.message_id, fact.event_type) == ("web", code, "bad", "track")
        assert [event["messageId"] for _, event in events(topics)] == ["good"]

    def test_each_of_many_items_refused_for_one_reason_is_recorded(self, topics: Topics, url: str) -> None:
        batch = [call(event=5, messageId=f"m{n}") for n in range(300)] + [call(event=5)] * 7
        post(url, {"batch": batch})
        facts = rejections(topics)
        assert {(fact.message_id, fact.count) for fact in facts} == {(f"m{n}", 1) for n in range(300)} | {("", 7)}
        assert {fact.code for fact in facts} == {"event_not_string"}

    @pytest.mark.parametrize(
        ("message_id", "traced"), [(5, "5"), ("m" * 101, "m" * 101), ("m" * 300, "m" * 200), (True, ""), ([], "")]
    )
    def test_an_unusable_message_id_is_traced_as_far_as_it_goes(
        self, topics: Topics, url: str, message_id: Any, traced: str
    ) -> None:
        assert post(url, {"batch": [call(messageId=message_id)]}).status_code == 400
        assert [fact.message_id for fact in rejections(topics)] == [traced]
