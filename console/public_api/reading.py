"""Reading a long series of many entries piece by piece, so that no answer of the store is too large to hold."""

from collections.abc import Callable, Iterator
from typing import Any

from console.data_dir import View
from console.public_api.errors import ErrorType, Refused
from console.public_api.periods import MetricsPeriod
from model.durations import HOUR_MS

LONGEST_MS = 60_000  # one request may read for so long
FEW_ROWS = 20_000  # after so few the next piece is four times as long
MANY_ROWS = 100_000  # after so many it is an hour again
_UNBOUNDED = {"event_name", "app_version"}  # what senders write; the other columns have few values


def read_series(
    view: View, period: MetricsPeriod, parameters: dict[str, Any], clock: Callable[[], int]
) -> Iterator[list[dict[str, Any]]]:
    """Give the rows of view step_series for the period. ``parameters``: all but the times and the width.

    A bucket may come in several pieces, which add up. Pieces end at whole hours, which the store has counted already.
    Raises `Refused` when it takes too long.
    """
    started_ms = clock()
    hours = 1 if _UNBOUNDED & {*parameters["by"]} else period.end_ms // HOUR_MS + 1
    start_ms = period.start_ms
    while start_ms < period.end_ms:
        if clock() - started_ms > LONGEST_MS:
            raise Refused(
                ErrorType.SERVER,
                f"not read within {LONGEST_MS // 1000} s; choose a shorter period, wider buckets, or group by less",
            )
        end_ms = min((start_ms // HOUR_MS + hours) * HOUR_MS, period.end_ms)
        rows = view(
            "step_series",
            {**parameters, "from_ms": start_ms, "to_ms": end_ms, "step_seconds": period.granularity.step_seconds},
        )
        yield rows
        hours = 4 * hours if len(rows) < FEW_ROWS else 1 if len(rows) > MANY_ROWS else hours
        start_ms = end_ms
