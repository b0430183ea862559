"""What is told when something is wrong: Segment's shape, the parameter by name, the remedy."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from console.api.delivery.shapes import time_text
from console.api.errors import Errors
from model.durations import DAY_MS
from tests.console.public_api.conftest import NOW_MS
from tests.console.public_api.questions import OF_DESTINATION, OF_SOURCE, PERIOD

RECEIVED = "/delivery-overview/successfully-received"
DELIVERED = "/delivery-overview/successful-delivery"
METRICS = "/destinations/crm/delivery-metrics"


def before(days: float) -> str:
    return time_text(NOW_MS - round(days * DAY_MS))


def errors_of(answer: httpx.Response, status: int) -> list[dict[str, Any]]:
    assert answer.status_code == status, answer.text
    Errors.model_validate(answer.json())
    errors: list[dict[str, Any]] = answer.json()["errors"]
    assert {error["status"] for error in errors} == {status}
    return errors


@pytest.mark.parametrize(
    ("path", "changed", "field", "remedy"),
    [
        (RECEIVED, {"sourceId": None}, "sourceId", "needed"),
        (RECEIVED, {"startTime": None}, "startTime", "needed"),
        (RECEIVED, {"endTime": None}, "endTime", "needed"),
        (RECEIVED, {"granularity": None}, "granularity", "needed"),
        (DELIVERED, {"destinationConfigId": None}, "destinationConfigId", "needed"),
        (RECEIVED, {"destinationConfigId": "crm"}, "destinationConfigId", "known are sourceId"),
        (RECEIVED, {"colour": "red"}, "colour", "known are sourceId"),
        (RECEIVED, {"x" * 5_000: "1"}, "x" * 100, "not known"),
        (RECEIVED, {"sourceId": ["web", "ios"]}, "sourceId", "once"),
        (RECEIVED, {"sourceId": ""}, "sourceId", "at least 1"),
        (RECEIVED, {"startTime": "yesterday"}, "startTime", "2026-05-04T12:00:00Z"),
        (RECEIVED, {"startTime": "1790000000"}, "startTime", "2026-05-04T12:00:00Z"),
        (RECEIVED, {"startTime": "2026-02-30T00:00:00Z"}, "startTime", "day"),
        (RECEIVED, {"startTime": "0001-01-01T00:00:00Z"}, "startTime", "1970"),
        (RECEIVED, {"endTime": "9999-12-31T23:59:59-23:59"}, "endTime", "1970"),
        (RECEIVED, {"endTime": "2026-05-04T12:00:00 02:00"}, "endTime", "%2B"),
        (RECEIVED, {"endTime": PERIOD["startTime"]}, "endTime", "later than startTime"),
        (RECEIVED, {"granularity": "SECOND"}, "granularity", "'MINUTE', 'HOUR' or 'DAY'"),
        (RECEIVED, {"granularity": "hour"}, "granularity", "'MINUTE', 'HOUR' or 'DAY'"),
        (RECEIVED, {"granularity": "MINUTE", "startTime": before(8)}, "granularity", "shorter period"),
        (RECEIVED, {"granularity": "MINUTE", "startTime": before(95), "endTime": before(94)}, "granularity", "90 days"),
        (RECEIVED, {"startTime": before(95.01)}, "startTime", "whole hour"),
        (RECEIVED, {"startTime": before(96), "endTime": before(95.01)}, "endTime", "whole hour"),
        (RECEIVED, {"granularity": "DAY", "startTime": before(401)}, "startTime", "400 days"),
        (RECEIVED, {"groupBy": "discardReason"}, "groupBy.0", "'eventName', 'eventType' or 'appVersion'"),
        (DELIVERED, {"groupBy": "eventName,audienceId"}, "groupBy.1", "subscriptionId"),
        (DELIVERED, {"groupBy": ",".join(["eventName"] * 11)}, "groupBy", "at most 10"),
        (RECEIVED, {"groupBy.a.b": "eventName"}, "groupBy.a.b", "written like that"),
        (RECEIVED, {"filter": "eventName"}, "filter", "filter[eventName]"),
        (RECEIVED, {"filter": "x", "filter.eventName": "y"}, "filter.eventName", "written like that"),
        (RECEIVED, {"filter.discardReason": "400"}, "filter.discardReason", "not known"),
        (DELIVERED, {"filter.spaceId": "a"}, "filter.spaceId", "not known"),
        (RECEIVED, {"filter.eventName": ["a"] * 51}, "filter.eventName", "at most 50"),
        (RECEIVED, {"filter.eventName": "a" * 1_001}, "filter.eventName.0", "at most 1000"),
        (RECEIVED, {"pagination.count": "0"}, "pagination.count", "greater than or equal to 1"),
        (RECEIVED, {"pagination.count": "1001"}, "pagination.count", "less than or equal to 1000"),
        (RECEIVED, {"pagination.count": "many"}, "pagination.count", "integer"),
        (RECEIVED, {"pagination.count": ["1", "2"]}, "pagination.count", "once"),
        (RECEIVED, {"pagination.cursor": "%%%"}, "pagination.cursor", "the answer before"),
        (RECEIVED, {"pagination.cursor": "bnVsbA"}, "pagination.cursor", "the answer before"),
        (RECEIVED, {"pagination.cursor": "W1siZXZlbnROYW1lIl0sWyJhIl1d"}, "pagination.cursor", "another groupBy"),
        (METRICS, {"groupBy": "eventName"}, "groupBy", "known are sourceId"),
        (METRICS, {"startTime": before(9)}, "granularity", "shorter period"),
    ],
)  # fmt: skip
def test_a_parameter_at_fault_is_named_with_the_remedy(
    client: httpx.Client, path: str, changed: dict[str, Any], field: str, remedy: str
) -> None:
    asked = {RECEIVED: OF_SOURCE, DELIVERED: OF_DESTINATION, METRICS: {}}[path]
    given = {name: value for name, value in {**asked, **changed}.items() if value is not None}
    [error] = errors_of(client.get(path, params=given), 422)
    assert error["field"] == field and error["type"] == "validation"
    assert remedy in error["message"]


def test_every_parameter_at_fault_is_named(client: httpx.Client) -> None:
    errors = errors_of(client.get(DELIVERED, params={"granularity": "x", "sourceId": "web"}), 422)
    assert [error["field"] for error in errors] == ["startTime", "endTime", "granularity", "destinationConfigId"]


@pytest.mark.parametrize(
    ("path", "changed", "field"),
    [
        (RECEIVED, {"sourceId": "nowhere"}, "sourceId"),
        (DELIVERED, {"destinationConfigId": "nowhere"}, "destinationConfigId"),
        (METRICS, {"sourceId": "nowhere"}, "sourceId"),
        ("/destinations/nowhere/delivery-metrics", {}, "destinationId"),
        ("/trace/never%20sent", {}, "messageId"),
        ("/trace/" + "x" * 5_000, {}, "messageId"),
        ("/trace/", {}, "messageId"),
        ("/trace/' OR 1=1 --", {}, "messageId"),
        ("/trace/%00%F0%9F%92%A5%FF", {}, "messageId"),
    ],
)
def test_what_does_not_exist_is_not_found(client: httpx.Client, path: str, changed: dict[str, Any], field: str) -> None:
    asked = {RECEIVED: OF_SOURCE, DELIVERED: OF_DESTINATION}.get(path, {})
    [error] = errors_of(client.get(path, params={**asked, **changed}), 404)
    assert (error["type"], error["field"]) == ("not-found", field)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic read-token", "read-token", "Bearer  read-token"]
)
@pytest.mark.parametrize("path", [RECEIVED, METRICS, "/trace/a", "/openapi.json"])
def test_without_a_token_nothing_is_told(client: httpx.Client, path: str, authorization: str) -> None:
    answer = client.get(path, headers={"Authorization": authorization})
    [error] = errors_of(answer, 401)
    assert error["type"] == "unauthorized" and "token" in error["message"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["read-token", "write-token", "file-token"])
def test_every_role_may_look(client: httpx.Client, token: str) -> None:
    answer = client.get(METRICS, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_these_paths_are_only_read(client: httpx.Client) -> None:
    for path in (RECEIVED, METRICS, "/trace/a", "/openapi.json"):
        answer = client.post(path)
        assert answer.status_code == 405 and set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
        assert errors_of(answer, 405)[0]["message"].startswith("use ")
    assert "openapi.json" in errors_of(client.get("/delivery-overview/balance"), 404)[0]["message"]


@pytest.mark.parametrize("text", ["' OR 1=1 --", "{from_ms:Int64}", "\\", "\x00", "\n", "x) FORMAT Null"])
def test_text_is_only_ever_compared(client: httpx.Client, text: str) -> None:
    answer = client.get(DELIVERED, params={**OF_DESTINATION, "filter.eventName": text})
    assert answer.status_code == 200 and answer.json()["data"]["total"] == 0


def test_a_year_of_hours_and_a_week_of_minutes_are_answered(client: httpx.Client) -> None:
    end = datetime.fromtimestamp(NOW_MS / 1000, UTC).isoformat()
    for granularity, days in (("HOUR", 366), ("MINUTE", 7), ("DAY", 400)):
        asked = {**OF_SOURCE, "granularity": granularity, "startTime": before(days), "endTime": end}
        assert client.get(RECEIVED, params=asked).json()["data"]["total"] > 0
