"""Examples for the OpenAPI document, made of the same models as answers."""

from typing import Any

from console.public_api.cursors import write_cursor
from console.public_api.shapes import (
    DatasetEntry,
    DeliveryMetrics,
    DeliveryMetricsAnswer,
    DeliveryMetricsSummary,
    DeliveryOverview,
    DeliveryOverviewAnswer,
    Metric,
    MetricPart,
    PageOfEntries,
    SeriesPoint,
)
from console.reports.trace import Step, Trace

PARAMETERS: dict[str, Any] = {
    "sourceId": "web",
    "destinationConfigId": "crm",
    "startTime": "2026-05-04T12:00:00Z",
    "endTime": "2026-05-04T14:00:00Z",
    "granularity": "HOUR",
    "groupBy": ["eventName"],
    "filter": {"eventType": ["track"]},
    "pagination": {"count": 100},
}

OVERVIEW = DeliveryOverviewAnswer(
    data=DeliveryOverview(
        total=41,
        dataset=[
            DatasetEntry(
                event_name="Order Completed",
                total=41,
                total_retry_count=2,
                series=[
                    SeriesPoint(time="2026-05-04T12:00:00.000Z", count=30, retry_count=2),
                    SeriesPoint(time="2026-05-04T13:00:00.000Z", count=11, retry_count=0),
                ],
            )
        ],
        pagination=PageOfEntries(current=write_cursor(("eventName",), ()), total_entries=1),
    )
).to_json()

METRICS = DeliveryMetricsAnswer(
    data=DeliveryMetrics(
        delivery_metrics_summary=DeliveryMetricsSummary(
            source_id="web",
            destination_metadata_id="webhook",
            metrics=[
                Metric(
                    metric_name="successes",
                    total=41,
                    breakdown=[
                        MetricPart(metric_name="successes.attempt.1", value=39),
                        MetricPart(metric_name="successes.attempt.2", value=2),
                    ],
                ),
                Metric(
                    metric_name="discarded",
                    total=3,
                    breakdown=[MetricPart(metric_name="errors.discarded.400", value=3)],
                ),
                Metric(metric_name="latency-p95-ms", total=212),
            ],
        )
    )
).to_json()

_STEP: dict[str, Any] = {
    "source": "web", "destination": "", "mapping": "", "event_type": "track", "event_name": "Order Completed",
    "delivery_id": "", "attempt": 0, "state": "", "code": "", "description": "", "action": "", "message": "",
    "http_status": None, "http_ms": 0, "latency_ms": None, "queue_ms": None, "retry_wait_ms": None,
    "limit_wait_ms": None, "calls_ms": None, "due_at": None, "batch_items": 0, "redrive": 0, "author": "",
    "counted": True, "resent": False, "events_partition": 0, "events_offset": 1_000,
}  # fmt: skip
_SENT: dict[str, Any] = {**_STEP, "destination": "crm", "mapping": "orders", "delivery_id": "6b1f0a52c3d94e87"}
_DELIVERED: dict[str, Any] = {
    "step": "outcome", "state": "delivered", "attempt": 1, "http_status": 200, "http_ms": 180, "latency_ms": 195,
    "queue_ms": 15, "retry_wait_ms": 0, "limit_wait_ms": 0, "calls_ms": 180,
}  # fmt: skip
TRACE: dict[str, Any] = {
    "data": {
        "trace": Trace(
            "order-1001",
            (
                Step(**_STEP, at=1_777_896_000_000, step="received"),
                Step(**_SENT, at=1_777_896_000_005, step="routed"),
                Step(**{**_SENT, **_DELIVERED, "at": 1_777_896_000_195}),
            ),
        ).to_json()
    }
}
