"""The summary of a destination and the story of one event."""

import httpx
import pytest

from console.api.delivery.shapes import DeliveryMetricsAnswer, TraceAnswer
from model.durations import HOUR_MS
from sinks.clickhouse.store import Store
from tests.console.public_api.conftest import NOW_MS, Get
from tests.console.public_api.questions import PERIOD
from tests.kit.recording import BASE_MS

PATH = "destinations/crm/delivery-metrics"


@pytest.mark.parametrize("source", ["", "ios"])
def test_the_summary_is_the_views_numbers_in_segments_shape(store: Store, get: Get, source: str) -> None:
    data = get(PATH, **PERIOD, **({"sourceId": source} if source else {}))
    DeliveryMetricsAnswer.model_validate({"data": data})
    summary = data["deliveryMetricsSummary"]
    assert (summary["sourceId"], summary["destinationMetadataId"]) == (source, "webhook")
    metrics = {metric["metricName"]: metric for metric in summary["metrics"]}
    [now] = store.view("key_metrics", from_ms=BASE_MS, to_ms=BASE_MS + 3 * HOUR_MS, source=source, destination="crm")
    assert metrics["successes"]["total"] == now["delivered"] > 0
    assert metrics["discarded"]["total"] + metrics["expired"]["total"] == now["not_delivered"] > 0
    assert metrics["filtered"]["total"] == now["filtered"] > 0
    for percentile in ("p50", "p95", "p99"):
        assert metrics[f"latency-{percentile}-ms"]["total"] == now[f"{percentile}_latency_ms"]
    for name in ("successes", "discarded", "expired", "filtered", "awaiting-retry"):
        parts = metrics[name]["breakdown"]
        assert sum(part["value"] for part in parts) == metrics[name]["total"]
    assert [part["metricName"] for part in metrics["discarded"]["breakdown"]] == ["errors.discarded.400"]
    waiting = [] if source else [{"metricName": "errors.awaiting-retry.503", "value": 1}]
    assert metrics["awaiting-retry"]["breakdown"] == waiting


def test_without_a_period_the_last_one_is_meant(get: Get) -> None:
    def delivered(**parameters: str) -> int:
        [first, *_] = get(PATH, **parameters)["deliveryMetricsSummary"]["metrics"]
        total: int = first["total"]
        return total

    assert delivered() == 0  # nothing in the last hour
    assert delivered(granularity="HOUR") == delivered(granularity="DAY") == delivered(**PERIOD) > 0
    assert 0 < delivered(endTime=PERIOD["endTime"]) < delivered(**PERIOD)


def test_a_destination_nothing_went_to_has_no_latency(get: Get) -> None:
    metrics = get("destinations/lake/delivery-metrics", **PERIOD)["deliveryMetricsSummary"]["metrics"]
    assert {metric["total"] for metric in metrics} == {0}
    assert not any(metric["metricName"].startswith("latency") for metric in metrics)


def test_the_trace_tells_what_happened_to_one_event(client: httpx.Client, store: Store) -> None:
    answer = client.get("/trace/a%2Fb%20c")
    TraceAnswer.model_validate(answer.json())
    trace = answer.json()["data"]["trace"]
    assert trace["steps"] == store.view("event_trace", message_id="a/b c")
    assert [step["step"] for step in trace["steps"]] == ["received", "routed", "attempt_failed"]
    assert trace["pending"] == ["crm"] and trace["steps"][-1]["due_at"] > NOW_MS
