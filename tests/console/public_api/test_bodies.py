"""What a body may be: JSON of bounded size and depth, whatever its content type and with or without a length."""

from collections.abc import Iterator

import httpx
import pytest

from console.api.routing import BODY_LIMIT_BYTES
from tests.console.public_api.stub import ROWS, bearer

TRACE = "/views/event_trace"


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (TRACE, b"", "JSON object"),
        (TRACE, b"[]", "JSON object"),
        (TRACE, b"null", "JSON object"),
        (TRACE, b"{", "not JSON"),
        (TRACE, b'{"message_id": "\xff"}', "not JSON"),
        (TRACE, b'{"message_id": "\\ud800"}', "not JSON"),
        (TRACE, '{"message_id": "a"}'.encode("utf-16"), "not JSON"),
        (TRACE, b"[" * 60_000, "not JSON"),
        ("/views/volume_of", b'{"from_ms": NaN, "to_ms": 1}', "not JSON"),
        ("/views/volume_of", b'{"from_ms": 1e999, "to_ms": 1}', "not JSON"),
        ("/views/volume_of", b'{"from_ms": %s, "to_ms": 1}' % (b"9" * 200), "from_ms"),
        ("/views/volume_of", b'{"from_ms": 0, "to_ms": 1, "source": null}', "source"),
        ("/test-event", b'{"destination": "crm", "event": null}', "event"),
        ("/test-event", b'{"destination": "crm", "event": %s1%s}' % (b'{"a":' * 500, b"}" * 500), "event"),
        ("/test-event", b'{"destination": "crm", "apply_filters": "yes"}', "apply_filters"),
        ("/alerts/rules", b'{"kind": %s1%s}' % (b"[" * 500, b"]" * 500), "kind"),
        ("/alerts/backtest", b'{"rule": %s1%s}' % (b'{"kind":' * 500, b"}" * 500), "kind"),
        ("/alerts/subscriptions", b'{"destination": "", "channel": "email"}', "destination"),
    ],
)
def test_a_hostile_body_is_refused_with_what_is_wrong(stub: httpx.Client, path: str, body: bytes, named: str) -> None:
    answer = stub.post(path, content=body, headers=bearer("owner"))
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"] and "pydantic" not in answer.text and "Traceback" not in answer.text


def test_a_body_is_read_whatever_its_content_type(stub: httpx.Client) -> None:
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {**bearer("read"), "Content-Type": content_type}
        assert stub.post(TRACE, content=b'{"message_id": "a"}', headers=headers).json() == {"rows": []}


@pytest.mark.parametrize("with_length", [True, False])
def test_a_body_is_read_up_to_the_limit(stub: httpx.Client, with_length: bool) -> None:
    def chunks(size_bytes: int) -> Iterator[bytes]:
        yield b'{"message_id": "a"}'
        yield b" " * (size_bytes - 19)

    def post(size_bytes: int) -> httpx.Response:
        content = b"".join(chunks(size_bytes)) if with_length else chunks(size_bytes)
        return stub.post(TRACE, content=content, headers=bearer("read"))

    assert post(BODY_LIMIT_BYTES).json() == {"rows": []}
    refused = post(BODY_LIMIT_BYTES + 1)
    assert refused.status_code == 413 and str(BODY_LIMIT_BYTES) in refused.json()["error"]


def test_maps_with_numbers_as_keys_are_rows_too(stub: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROWS, "freshness", [{"by_attempt": {1: 2}}])
    assert stub.post("/views/freshness", json={}, headers=bearer("read")).json() == {"rows": [{"by_attempt": {"1": 2}}]}
