"""Which periods can be answered: not empty, not too many buckets, and not before what the store keeps."""

from dataclasses import dataclass

from console.public_api.errors import ErrorType, Refused
from console.public_api.parameters import Granularity
from model.durations import DAY_MS, HOUR_MS
from model.workspace.settings import StoreRetention

BUCKETS_LIMIT = 11_000  # as in view delivery_trend: a week of minutes, a year of hours
_USUAL_MS = {Granularity.MINUTE: HOUR_MS, Granularity.HOUR: 7 * DAY_MS, Granularity.DAY: 30 * DAY_MS}


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
    return Refused(ErrorType.VALIDATION, f"{field}: {message}", field)
