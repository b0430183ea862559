"""Segment's pixel API: an event in an image's address."""

import base64
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from flows.topics.interface import Topics
from tests.kit.ingest import WRITE_KEY, events, eventually, rejections


def base64_of(value: Any) -> str:
    body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return base64.b64encode(body).decode()


OPENED = {"writeKey": WRITE_KEY, "userId": "u", "event": "Email Opened", "messageId": "m", "properties": {"s": "?>~ü"}}


class TestPixel:
    @pytest.mark.parametrize(
        "data",
        [
            quote(base64_of(OPENED)),
            base64_of(OPENED),
            base64_of(OPENED).rstrip("="),
            base64_of(OPENED).replace("+", "-").replace("/", "_"),
            quote(quote(base64_of(OPENED))),
            quote(json.dumps(OPENED)),
        ],
    )
    def test_an_event_in_an_images_address(self, topics: Topics, url: str, data: str) -> None:
        answer = httpx.get(f"{url}/v1/pixel/track?data={data}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content.startswith(b"GIF89a") and len(answer.content) < 50
        [(source, event)] = events(topics)
        assert (source, event["type"], event["event"], event["properties"]) == (
            "web",
            "track",
            "Email Opened",
            {"s": "?>~ü"},
        )
        assert event["context"]["ip"] == "127.0.0.1"
        assert "writeKey" not in event

    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("track", {"event": "e"}),
            ("identify", {}),
            ("page", {}),
            ("screen", {"name": "Home"}),
            ("group", {"groupId": "g"}),
            ("alias", {"previousId": "p"}),
        ],
    )
    def test_every_call(self, topics: Topics, url: str, name: str, fields: dict[str, str]) -> None:
        data = base64_of({"writeKey": WRITE_KEY, "userId": "u", **fields})
        assert httpx.get(f"{url}/v1/pixel/{name}/", params={"data": data}).status_code == 200
        assert [event["type"] for _, event in events(topics)] == [name]

    def test_fields_by_themselves(self, topics: Topics, url: str) -> None:
        fields = {"writeKey": WRITE_KEY, "userId": "u", "event": "Email Opened", "properties.subject": "News & more"}
        httpx.get(f"{url}/v1/pixel/track", params=fields)
        [(_, event)] = events(topics)
        assert (event["event"], event["properties"]) == ("Email Opened", {"subject": "News & more"})

    @pytest.mark.parametrize(
        ("source", "code", "message_id", "query"),
        [
            (
                "web",
                "event_not_defined",
                "m",
                "data=" + base64_of({"writeKey": WRITE_KEY, "userId": "u", "messageId": "m"}),
            ),
            ("", "unknown_source", "m", "data=" + base64_of({**OPENED, "writeKey": "nobody"})),
            ("", "unknown_source", "", ""),
            ("", "not_json", "", "data="),
            ("", "not_json", "", "data=!!!"),
            ("web", "not_json", "m", "data=" + base64_of(json.dumps(OPENED).encode()[:-5])),
            ("", "bad_request", "", "&".join(f"a{n}=1" for n in range(1_001))),
        ],
    )
    def test_what_is_refused_is_recorded_and_answered_with_the_image_too(
        self, topics: Topics, url: str, source: str, code: str, message_id: str, query: str
    ) -> None:
        answer = httpx.get(f"{url}/v1/pixel/track?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        [fact] = eventually(lambda: rejections(topics))
        assert (fact.source, fact.code, fact.message_id) == (source, code, message_id)
        assert events(topics) == []

    def test_other_methods_and_names(self, topics: Topics, url: str) -> None:
        address = f"{url}/v1/pixel/track?data={base64_of(OPENED)}"
        assert httpx.head(address).status_code == 200
        assert httpx.post(address).status_code == 405
        assert httpx.get(f"{url}/v1/pixel/nothing").status_code == 404
        assert events(topics) == []
