"""What SDKs ask before they send: settings that lead to Waybill and to nobody else, readable by any page."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from console.ingest.sdk_settings import settings_routes
from console.server.http_server import serve_in_thread
from tests.kit.ingest import SOURCES, WRITE_KEY, call, events, post

PATH = f"/v1/projects/{WRITE_KEY}/settings"
PAGE = {"Origin": "https://shop.example"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    app = Starlette(routes=settings_routes(lambda key: SOURCES.find(key) is not None))
    server = serve_in_thread(app, "127.0.0.1", 0)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as made:
        yield made
    server.stop()


def test_settings_lead_segments_sdks_to_the_address_they_asked(topics: Any, url: str) -> None:
    said = httpx.get(url + PATH, headers=PAGE).raise_for_status().json()
    segment = said["integrations"]["Segment.io"]
    assert list(said["integrations"]) == ["Segment.io"]  # another one would be loaded into the page
    assert segment["apiKey"] == WRITE_KEY
    assert segment["apiHost"] == url.removeprefix("http://") + "/v1"
    assert said["metrics"] == {"sampleRate": 0}  # else SDKs send what they measure to their maker
    assert post(f"http://{segment['apiHost'].removesuffix('/v1')}", call(messageId="m-1"), "/v1/t").status_code == 200
    assert len(events(topics)) == 1


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({}, "http"),
        ({"Origin": "http://shop.example"}, "http"),
        ({"X-Forwarded-Proto": "http"}, "http"),
        ({"X-Forwarded-Proto": "https"}, "https"),
        (PAGE, "https"),  # a secure page could not have called us otherwise
    ],
)
def test_the_scheme_is_the_one_the_sender_used(client: httpx.Client, headers: dict[str, str], scheme: str) -> None:
    assert client.get(PATH, headers=headers).json()["integrations"]["Segment.io"]["protocol"] == scheme
    assert {"origin", "x-forwarded-proto"} <= vary(client.get(PATH, headers=headers))


def vary(response: httpx.Response) -> set[str]:
    return {each.strip().lower() for each in response.headers["vary"].split(",")}


@pytest.mark.parametrize("credentials", ["authorization", "query"])
@pytest.mark.parametrize("path", ["/sourceConfig", "/sourceConfig/"])
def test_rudderstacks_sdks_are_told_of_an_enabled_source_without_destinations(
    url: str, path: str, credentials: str
) -> None:
    query = {"p": "npm", "v": "3"} | ({"writeKey": WRITE_KEY} if credentials == "query" else {})
    auth = (WRITE_KEY, "") if credentials == "authorization" else None
    response = httpx.get(url + path, params=query, auth=auth, headers=PAGE)
    source = response.json()["source"]
    assert (response.status_code, source["enabled"], source["destinations"]) == (200, True, [])
    assert source["config"]["statsCollection"]["errors"] == {"enabled": False}
    assert response.headers["access-control-allow-origin"] == "*"
    assert "authorization" in vary(response)


@pytest.mark.parametrize("path", [PATH, "/v1/projects/nobody/settings", "/sourceConfig"])
def test_any_page_may_ask_and_read_the_answer(client: httpx.Client, path: str) -> None:
    assert client.get(path, headers=PAGE).headers["access-control-allow-origin"] == "*"
    asks = {**PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,x-any"}
    asked = client.options(path, headers=asks)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "*")
    assert "authorization" in asked.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "path", ["/v1/projects/nobody/settings", f"/v1/projects/{WRITE_KEY[:-1]}/settings", "/sourceConfig?writeKey=nobody"]
)
def test_an_unknown_key_is_not_found_and_nothing_more_is_said(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.headers["cache-control"] == "no-store"
    assert not any(key in response.text for key in SOURCES.by_write_key)
    assert not any(source.id in response.json()["message"].split() for source in SOURCES.by_write_key.values())


@pytest.mark.parametrize("path", [PATH, f"/sourceConfig?writeKey={WRITE_KEY}"])
def test_settings_are_cached_for_minutes_and_then_asked_for_by_their_tag(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    assert first.headers["cache-control"] == "public, max-age=300"
    tag = first.headers["etag"]
    for asked in (tag, f'"other", W/{tag}', "*"):
        again = client.get(path, headers={"If-None-Match": asked})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    if path == PATH:
        assert client.get(path, headers={"Host": "elsewhere.example"}).headers["etag"] != tag


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_settings_are_only_read(client: httpx.Client, method: str) -> None:
    response = client.request(method, PATH)
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "host", ["events.example.com", "events.example.com:8443", "127.0.0.1:8080", "[::1]:8080", "waybill_ingest"]
)
def test_hosts_that_can_be_sent_to(client: httpx.Client, host: str) -> None:
    said = client.get(PATH, headers={"Host": host}).json()
    assert said["integrations"]["Segment.io"]["apiHost"] == f"{host}/v1"


@given(host=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30))
def test_no_host_can_lead_elsewhere_than_to_a_host(client: httpx.Client, host: str) -> None:
    response = client.get(PATH, headers={"Host": host})
    assert (response.status_code == 400) or not set("/\\@?#\"'<>%&= ") & set(host)


def test_a_write_key_may_hold_a_slash() -> None:
    app = Starlette(routes=settings_routes(lambda key: key == "a/b"))
    server = serve_in_thread(app, "127.0.0.1", 0)
    try:
        said = httpx.get(f"http://127.0.0.1:{server.port}/v1/projects/a%2Fb/settings").json()
    finally:
        server.stop()
    assert said["integrations"]["Segment.io"]["apiKey"] == "a/b"
