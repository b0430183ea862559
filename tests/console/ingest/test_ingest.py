"""The Tracking API over a real server and real topics: what is answered, and what stands in the topics then."""

import json
from typing import Any

import httpx
import pytest

from flows.topics.interface import EVENTS, Topics
from model.events.ids import event_key
from tests.kit.ingest import WRITE_KEY, call, events, eventually, post, records, rejections


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

    @pytest.mark.parametrize(
        "path", ["/v1/track/", "//v1/track", "/v1//track//", "/v1/t/", "/v1/import/", "//v1/batch/"]
    )
    def test_slashes_too_many_are_answered_in_place(self, topics: Topics, url: str, path: str) -> None:
        body = {"batch": [call()]} if path.strip("/").endswith(("import", "batch")) else call()
        answer = post(url, body, path, origin="https://shop.example")
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert answer.headers["access-control-allow-origin"] in {"*", "https://shop.example"}
        assert len(events(topics)) == 1

    @pytest.mark.parametrize("path", ["/health/", "//health", "/v1/m/"])
    def test_slashes_too_many_are_no_matter_on_any_path(self, url: str, path: str) -> None:
        answer = httpx.get(url + path) if "health" in path else post(url, {}, path)
        assert answer.status_code == 200

    @pytest.mark.parametrize("path", ["/nothing/", "/v1/", "/v1/track/more/", "/"])
    def test_no_path_is_redirected(self, url: str, path: str) -> None:
        assert (httpx.get(url + path).status_code, httpx.post(url + path).status_code) == (404, 404)

    def test_options_says_what_is_allowed(self, url: str) -> None:
        answer = httpx.options(url + "/v1/track/")
        assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST")

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

    @pytest.mark.parametrize(
        "header", ["Basic d2ViLWtleTo=", "basic d2ViLWtleTo", "Basic  d2ViLWtleQ==", "Basic d2ViLWtleTp4"]
    )
    def test_basic_with_or_without_colon_password_and_padding(self, topics: Topics, url: str, header: str) -> None:
        assert post(url, call(), "/v1/track", key=None, authorization=header).status_code == 200
        assert [source for source, _ in events(topics)] == ["web"]

    @pytest.mark.parametrize("empty", [None, ""])
    def test_an_empty_write_key_in_the_body_is_none(self, topics: Topics, url: str, empty: str | None) -> None:
        assert post(url, {"writeKey": empty, "batch": [call(writeKey=empty)]}).status_code == 200
        assert [source for source, _ in events(topics)] == ["web"]

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


class TestBrowsers:
    def test_text_plain_as_beacons_send_it_is_accepted_with_the_clients_address(self, topics: Topics, url: str) -> None:
        body = {"writeKey": WRITE_KEY, **call()}
        answer = post(url, body, "/v1/t", key=None, content_type="text/plain;charset=UTF-8", origin="https://a.example")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in {"*", "https://a.example"}
        assert events(topics)[0][1]["context"]["ip"] == "127.0.0.1"

    @pytest.mark.parametrize("path", ["/v1/t", "/v1/import/"])
    def test_a_preflight_allows_the_headers_the_sdk_sends(self, url: str, path: str) -> None:
        asked = {
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,x-retry-count",
        }
        answer = httpx.options(url + path, headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "authorization" in answer.headers["access-control-allow-headers"]

    def test_what_is_no_tracking_path_is_closed_to_other_pages(self, url: str) -> None:
        answer = httpx.get(url + "/health", headers={"origin": "https://shop.example"})
        assert "access-control-allow-origin" not in answer.headers

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
            ("number_too_large", b'{"type":"track","event":"e","userId":"u","properties":{"a":1e400}}'),
            ("number_too_large", b'{"type":"track","event":"e","userId":"u","properties":{"a":-' + b"9" * 400 + b"}}"),
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

    @pytest.mark.parametrize(
        "text", [rb"\ud83d", rb"\udc00 x", b"\xff", b"\xed\xa0\x80", b"caf\xe9", rb"\ud83d\ud83d\ude00"]
    )
    def test_text_that_is_not_unicode_is_mended(self, topics: Topics, url: str, text: bytes) -> None:
        item = (
            b'{"type":"track","event":"e","userId":"u","messageId":"a","name":"x\\\\ud83d","properties":{"t":"'
            + text
            + b'"}}'
        )
        assert post(url, item, "/v1/track").json() == {"success": True}
        assert post(url, b'{"batch":[' + item.replace(b'"a"', b'"b"') + b',{"n":NaN}]}').status_code == 200
        found = [event for _, event in events(topics)]
        assert [event["messageId"] for event in found] == ["a", "b"]
        for event in found:
            assert "\ufffd" in event["properties"]["t"]
            assert event["properties"]["t"].endswith("\U0001f600") or len(text) < 18
            assert event["name"] == "x\\ud83d"  # an escaped backslash begins no other escape

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
            (400, "number_too_large", b'{"userId":"u","event":"e","properties":{"a":1e309}}'),
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
