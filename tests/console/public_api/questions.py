"""What these tests ask."""

from typing import Any

from console.api.delivery.shapes import time_text
from model.durations import HOUR_MS
from tests.kit.recording import BASE_MS

PERIOD: dict[str, Any] = {"startTime": time_text(BASE_MS), "endTime": time_text(BASE_MS + 3 * HOUR_MS)}
OF_SOURCE = {**PERIOD, "sourceId": "web", "granularity": "HOUR"}
OF_DESTINATION = {**OF_SOURCE, "destinationConfigId": "crm"}
READS = {
    "successfully-received": OF_SOURCE,
    "failed-on-ingest": OF_SOURCE,
    "filtered-at-source": OF_SOURCE,
    "filtered-at-destination": OF_DESTINATION,
    "failed-delivery": OF_DESTINATION,
    "successful-delivery": OF_DESTINATION,
}
