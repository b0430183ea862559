"""Which periods can be answered, and reading a long one piece by piece.

A period is not empty, has a bounded number of buckets, and begins within what the store keeps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from console.api.delivery.parameters import Granularity
from console.api.errors import Refused
from console.data_dir import View
from model.durations import DAY_MS, HOUR_MS
from model.workspace.settings import StoreRetention

BUCKETS_LIMIT = 11_000  # as in view delivery_trend: a week of minutes, a year of hours
_USUAL_MS = {Granularity.MINUTE: HOUR_MS, Granularity.HOUR: 7 * DAY_MS, Granularity.DAY: 30 * DAY_MS}
LONGEST_MS = 60_000  # one request may read for so long
FEW_ROWS = 20_000  # after so few the next piece is four times as long
MANY_ROWS = 100_000  # after so many it is an hour again
_UNBOUNDED = {"event_name", "app_version"}  # what senders write; the other columns have few values


@dataclass(frozen=True, slots=True)
class MetricsPeriod:
    """[start, end) in Unix ms, in buckets."""

    start_ms: int
    end_ms: int
    granularity: Granularity

    @property
    def buckets(self) -> int:
        """How many buckets it touches."""
        width_ms = self.granularity.step_seconds * 1_000
        return -(-self.end_ms // width_ms) - self.start_ms // width_ms

    def check(self, now_ms: int, retention: StoreRetention) -> None:
        """Raise `Refused` when it cannot be answered in full."""
        if self.start_ms >= self.end_ms:
            raise _refused("endTime", "must be later than startTime")
        if self.buckets > BUCKETS_LIMIT:
            raise _refused(
                "granularity",
                f"this period has {self.buckets} buckets, more than {BUCKETS_LIMIT}; choose a shorter period or"
                " wider buckets",
            )
        if self.start_ms < now_ms - retention.hours_days * DAY_MS:
            raise _refused("startTime", f"counts are kept for {retention.hours_days} days; start later")
        oldest_minute_ms = now_ms - retention.minutes_days * DAY_MS
        if self.granularity is Granularity.MINUTE and self.start_ms < oldest_minute_ms:
            raise _refused(
                "granularity", f"minutes are kept for {retention.minutes_days} days; start later, or choose HOUR or DAY"
            )
        for field, edge_ms in (("startTime", self.start_ms), ("endTime", self.end_ms)):
            if edge_ms % HOUR_MS and edge_ms < oldest_minute_ms:  # only minutes know a part of an hour
                raise _refused(field, f"minutes are kept for {retention.minutes_days} days; choose a whole hour")


def usual_period(start_ms: int | None, end_ms: int | None, granularity: Granularity, now_ms: int) -> MetricsPeriod:
    """Fill in what is not given as Segment does."""
    end_ms = now_ms if end_ms is None else end_ms
    return MetricsPeriod(max(0, end_ms - _USUAL_MS[granularity]) if start_ms is None else start_ms, end_ms, granularity)


def _refused(field: str, message: str) -> Refused:
    return Refused(422, f"{field}: {message}", field)


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
                503,
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
