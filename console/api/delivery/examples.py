"""Examples of answers for the OpenAPI document."""

from typing import Any

OVERVIEW: dict[str, Any] = {
    "data": {
        "total": 41,
        "dataset": [
            {
                "eventName": "Order Completed",
                "total": 41,
                "totalRetryCount": 2,
                "series": [
                    {"time": "2026-05-04T12:00:00.000Z", "count": 30, "retryCount": 2},
                    {"time": "2026-05-04T13:00:00.000Z", "count": 11, "retryCount": 0},
                ],
            }
        ],
        "pagination": {"current": "W1siZXZlbnROYW1lIl0sW11d", "totalEntries": 1},
    }
}
METRICS: dict[str, Any] = {
    "data": {
        "deliveryMetricsSummary": {
            "sourceId": "web",
            "destinationMetadataId": "webhook",
            "metrics": [
                {
                    "metricName": "successes",
                    "total": 41,
                    "breakdown": [
                        {"metricName": "successes.attempt.1", "value": 39},
                        {"metricName": "successes.attempt.2", "value": 2},
                    ],
                },
                {
                    "metricName": "discarded",
                    "total": 3,
                    "breakdown": [{"metricName": "errors.discarded.400", "value": 3}],
                },
                {"metricName": "latency-p95-ms", "total": 212},
            ],
        }
    }
}
