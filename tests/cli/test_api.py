"""The API of a running `waybill up`: who may ask, and what is no question."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from console.data_dir import ServerFile, find_server
from tests.kit.commands import SMALL
from tests.kit.system import Waybill, running, wait_until

PERIOD = {"from_ms": 0, "to_ms": 4_000_000_000_000}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerFile]:
    with running(Waybill(tmp_path_factory.mktemp("api"), SMALL)) as system:
        found = find_server(system.data)
        assert found is not None
        yield found


def ask(server: ServerFile, view: str, parameters: Any, authorization: str | None = None) -> httpx.Response:
    content = parameters if isinstance(parameters, bytes) else orjson.dumps(parameters)
    headers = {"Authorization": f"Bearer {server.token}" if authorization is None else authorization}
    return httpx.post(f"{server.address}/api/views/{view}", content=content, headers=headers, timeout=30)


def test_the_token_of_the_server_file_opens_it(server: ServerFile) -> None:
    wait_until(lambda: ask(server, "low_watermark", {}).json()["rows"][0]["newest_report"] is not None, 20, "ticking")
    answer = ask(server, "delivery_metrics", PERIOD)
    assert answer.status_code == 200
    assert answer.json()["rows"][0]["delivered"] == 0


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic {token}", "{token}", "bearer{token}"])
def test_without_the_token_nothing_is_told(server: ServerFile, authorization: str) -> None:
    answer = ask(server, "delivery_metrics", PERIOD, authorization.format(token=server.token))
    assert answer.status_code == 401
    assert answer.json() == {"error": "the token of server.json or of a user of the workspace is needed"}


def test_an_unknown_view_is_refused_with_those_there_are(server: ServerFile) -> None:
    answer = ask(server, "system.tables", {})
    assert answer.status_code == 400
    assert "balance" in answer.json()["error"]


@pytest.mark.parametrize(
    ("view", "parameters", "named"),
    [
        ("delivery_metrics", {}, "from_ms"),
        ("delivery_metrics", {**PERIOD, "colour": "red"}, "colour"),
        ("delivery_metrics", {**PERIOD, "name": "facts"}, "name"),
        ("delivery_metrics", {**PERIOD, "self": 1}, "self"),
        ("delivery_metrics", {**PERIOD, "from_ms": "0"}, "from_ms"),
        ("delivery_metrics", {**PERIOD, "from_ms": -1}, "from_ms"),
        ("delivery_metrics", {**PERIOD, "from_ms": True}, "from_ms"),
        ("delivery_metrics", {**PERIOD, "to_ms": 1.5}, "to_ms"),
        ("delivery_metrics", {**PERIOD, "to_ms": 2**63}, "to_ms"),
        ("delivery_metrics", {**PERIOD, "to_ms": [1]}, "to_ms"),
        ("delivery_metrics", {**PERIOD, "source": {"a": 1}}, "source"),
        ("delivery_samples", {**PERIOD, "limit": -1}, "limit"),
        ("delivery_samples", {**PERIOD, "limit": 2**32}, "limit"),
        ("event_trace", {"message_id": None}, "message_id"),
        ("event_trace", {"message_id": 7}, "message_id"),
        ("event_trace", b"not json", ""),
        ("event_trace", b"[]", "JSON object"),
        ("event_trace", b"", ""),
        ("event_trace", b'{"message_id": "\\ud800"}', ""),
        ("event_trace", b"[" * 60_000, ""),
        ("prior_outcomes", {}, "prior_outcomes"),
        ("delivery_trend", {"from_ms": 0, "to_ms": 10**12, "step_seconds": 60}, "larger step_seconds"),
    ],
)
def test_hostile_parameters_are_refused_by_name(server: ServerFile, view: str, parameters: Any, named: str) -> None:
    answer = ask(server, view, parameters)
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"]


@pytest.mark.parametrize("text", ["' OR 1=1 --", "{from_ms:Int64}", "\\", "\x00", "\n", "💥" * 1_000, "x) FORMAT Null"])
def test_text_is_only_ever_compared(server: ServerFile, text: str) -> None:
    answer = ask(server, "event_trace", {"message_id": text})
    assert answer.status_code == 200 and answer.json() == {"rows": []}
    assert ask(server, "balance", {**PERIOD, "source": text, "destination": text}).json() == {"rows": []}


def test_a_body_too_large_or_without_end_is_not_read(server: ServerFile) -> None:
    def stream(*chunks: bytes) -> httpx.Response:
        headers = {"Authorization": f"Bearer {server.token}"}
        return httpx.post(f"{server.address}/api/views/event_trace", content=iter(chunks), headers=headers)

    assert ask(server, "event_trace", b" " * 100_000).status_code == 413
    assert stream(*[b"x" * 1_000] * 66).status_code == 413
    assert stream(b"{", b'"message_id": "a"}').json() == {"rows": []}


def test_only_views_are_there_and_only_by_post(server: ServerFile) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    assert httpx.get(f"{server.address}/api/views/balance", headers=headers).status_code == 405
    assert httpx.post(f"{server.address}/api/facts", headers=headers).status_code == 404
