"""The summary of one destination. Segment's documents name no metrics; ours are the states of a delivery.

From views delivery_metrics (totals and latencies), error_details (codes of what failed or waits) and step_series
(reasons of what was filtered, calls of what was delivered).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from console.api.delivery.periods import MetricsPeriod
from console.api.delivery.shapes import (
    DeliveryMetrics,
    DeliveryMetricsAnswer,
    DeliveryMetricsSummary,
    Metric,
    MetricPart,
)
from console.data_dir import View

Row = Mapping[str, Any]
_WAITING = "awaiting_retry"
_LATENCIES = ("p50", "p95", "p99")


def read_metrics(view: View, source: str, destination: str, kind: str, period: MetricsPeriod) -> DeliveryMetricsAnswer:
    """Read the summary; ``kind``: the destination's type. Raises `sinks.clickhouse.store.StoreError`."""
    asked = {"from_ms": period.start_ms, "to_ms": period.end_ms, "source": source, "destination": destination}
    [totals] = view("delivery_metrics", asked)
    errors = view("error_details", asked)
    steps = view("step_series", {**asked, "step": "", "step_seconds": 0, "by": ["code"]})
    summary = DeliveryMetricsSummary(
        source_id=source, destination_metadata_id=kind, metrics=metrics_of(totals, errors, steps)
    )
    return DeliveryMetricsAnswer(data=DeliveryMetrics(delivery_metrics_summary=summary))


def metrics_of(totals: Row, errors: Iterable[Row], steps: Iterable[Row]) -> list[Metric]:
    """Make the metrics of rows of the three views."""
    parts: dict[str, Counter[str]] = {state: Counter() for state in ("discarded", "expired", _WAITING)}
    for row in errors:
        parts[row["state"]][f"errors.{row['state'].replace('_', '-')}.{row['code']}"] += row["deliveries"]
    filtered: Counter[str] = Counter()
    delivered: Counter[str] = Counter()
    for row in steps:
        if row["step"] == "filtered_at_destination":
            filtered[f"filtered.{row['code']}"] += row["count"]
        if row["step"] == "successful_delivery":
            for attempt, count in row["by_attempt"].items():
                delivered[f"successes.attempt.{attempt}"] += count
    found = [
        Metric(metric_name="successes", total=totals["delivered"], breakdown=_parts(delivered)),
        Metric(metric_name="discarded", total=totals["discarded"], breakdown=_parts(parts["discarded"])),
        Metric(metric_name="expired", total=totals["expired"], breakdown=_parts(parts["expired"])),
        Metric(metric_name="filtered", total=totals["filtered"], breakdown=_parts(filtered)),
        Metric(metric_name="awaiting-retry", total=parts[_WAITING].total(), breakdown=_parts(parts[_WAITING])),
        Metric(metric_name="attempts-failed", total=totals["attempts_failed"]),
    ]
    return found + [
        Metric(metric_name=f"latency-{name}-ms", total=totals[f"{name}_latency_ms"])
        for name in _LATENCIES
        if totals[f"{name}_latency_ms"] is not None
    ]


def _parts(counts: Counter[str]) -> list[MetricPart]:
    ranked = sorted(counts.items(), key=lambda part: (-part[1], part[0]))
    return [MetricPart(metric_name=name, value=value) for name, value in ranked]
