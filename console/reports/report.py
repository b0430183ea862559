"""The Event Delivery report: what was delivered, what was not and why, latency, and the balance.

`build_report` reads the views of ``sql/views/`` and nothing else; `Report.to_json` is what ``--json`` prints, and
`console.reports.render` draws it for a terminal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from console.data_dir import View
from console.reports.banner import Banner, read_banners
from flows.workspace.discards import SETTLE_SECONDS, Discard

TREND_BUCKETS = 40
MESSAGES = 5  # of each error
_NOT_IN_JSON = {"source", "destination", "ingest", "step_seconds"}
FATES = ("routed", "filtered", "delivered", "discarded", "expired", "pending", "unexplained")


@dataclass(frozen=True, slots=True)
class Metrics:
    """Outcomes by the minute in which they happened; rate and latencies (ms) are None over none."""

    delivered: int
    not_delivered: int
    discarded: int
    expired: int
    filtered: int
    attempts_failed: int
    possible_duplicates: int
    success_rate: float | None
    p50_latency_ms: int | None
    p95_latency_ms: int | None
    p99_latency_ms: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes against the equally long period before: counts in percent, the rate in points, latencies in ms.

    None where there is nothing to compare with.
    """

    delivered_change_percent: float | None
    not_delivered_change_percent: float | None
    filtered_change_percent: float | None
    possible_duplicates_change_percent: float | None
    success_rate_change_points: float | None
    p50_latency_change_ms: int | None
    p95_latency_change_ms: int | None
    p99_latency_change_ms: int | None


@dataclass(frozen=True, slots=True)
class Ingest:
    """The balance upstream of routing, for the events received in the period.

    ``unread`` and ``unexplained`` are None in a report of one source, because the source of an unread event is not
    known. `EventsLog` has these numbers for all sources.
    """

    ingested: int
    accepted: int
    rejected: int
    duplicates: int
    routed_events: int
    unread: int | None
    unexplained: int | None


@dataclass(frozen=True, slots=True)
class EventsLog:
    """Events of all sources that the delivery flow has not accounted for."""

    unread: int
    unexplained: int


@dataclass(frozen=True, slots=True)
class RejectionGroup:
    """Items that ingest refused for one reason. ``source`` '': they had no known write key."""

    source: str
    code: str
    items: int
    message: str  # of the most recent refusal, as the sender got it
    message_ids: tuple[str, ...]  # of the latest ones
    first_seen_ms: int
    last_seen_ms: int
    description: str
    action: str
    owner: str


@dataclass(frozen=True, slots=True)
class _Fates:
    source: str
    destination: str
    filtered: int
    discarded: int
    expired: int
    pending: int
    unexplained: int


@dataclass(frozen=True, slots=True)
class ConnectionBalance(_Fates):
    """Outcomes of the deliveries of the events received in the period, for one connection."""

    routed: int
    delivered: int


@dataclass(frozen=True, slots=True)
class RedriveBalance(_Fates):
    """Outcomes of the redrives started in the period, for one connection. No other number includes them."""

    redriven: int
    recovered: int


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Deliveries that share state, destination and code; ``count`` is deliveries, not attempts."""

    state: str  # discarded, expired, awaiting_retry
    destination: str
    code: str
    count: int
    share: float
    owner: str  # source, us, destination
    description: str
    action: str
    link: str  # '' when there is nothing more to read
    messages: tuple[str, ...]  # of the destination, with this code: one of each of the largest groups
    message_attempts: tuple[int, ...]  # number of calls that failed with such a message
    first_seen_ms: int | None
    last_seen_ms: int | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One bucket of the trend."""

    at_ms: int
    delivered: int
    not_delivered: int
    p95_latency_ms: int | None


@dataclass(frozen=True, slots=True)
class NotReportable:
    """A connection whose deliveries Waybill does not make, and so cannot count."""

    source: str
    destination: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything the report shows. Times are Unix ms."""

    from_ms: int
    to_ms: int
    source: str
    destination: str
    metrics: Metrics
    changes: Changes
    ingest: Ingest
    events_log: EventsLog
    rejections: tuple[RejectionGroup, ...]
    balance: tuple[ConnectionBalance, ...]
    redrives: tuple[RedriveBalance, ...]
    errors: tuple[ErrorGroup, ...]
    trend: tuple[TrendPoint, ...]
    step_seconds: int
    not_reportable: tuple[NotReportable, ...]
    banners: tuple[Banner, ...]
    discards: tuple[Discard, ...]  # pending deliveries that the workspace file discards
    complete_to_ms: int | None  # the low watermark; None before the first watermark reports

    def total(self, fate: str) -> int:
        """Sum one column of the balance over all connections."""
        return sum(getattr(row, fate) for row in self.balance)

    @property
    def unexplained(self) -> int:
        """Events and deliveries without any record of their fate; anything but 0 is a fault."""
        return self.events_log.unexplained + self.total("unexplained")

    @property
    def pending(self) -> int:
        """Deliveries without an outcome yet, and events not yet read (in a report of one source: deliveries alone)."""
        return self.total("pending") + (self.ingest.unread or 0)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON types. Counts at the top are those of the cohort received in the period."""
        cohort = {fate: self.total(fate) for fate in FATES}
        return {
            **asdict(self.ingest),
            **cohort,
            "pending": self.pending,
            "unexplained": self.unexplained,
            "possible_duplicates": self.metrics.possible_duplicates,
            "p95_latency_ms": self.metrics.p95_latency_ms,
            **{name: value for name, value in asdict(self).items() if name not in _NOT_IN_JSON},
            "discards": [{**asdict(discard), "message": discard.message} for discard in self.discards],
        }


def build_report(
    view: View,
    from_ms: int,
    to_ms: int,
    *,
    source: str = "",
    destination: str = "",
    not_reportable: Sequence[NotReportable] = (),
    discards: Sequence[Discard] = (),
) -> Report:
    """Read the report of [from_ms, to_ms); ``view`` calls a parameterized view by name
    (`sinks.clickhouse.store.Store.view`)."""
    period = {"from_ms": from_ms, "to_ms": to_ms}
    chosen = {**period, "source": source, "destination": destination}
    settled = {"settle_seconds": SETTLE_SECONDS}
    step_seconds = _trend_step_seconds(to_ms - from_ms)
    [metrics] = view("delivery_metrics", chosen)
    [key_metrics] = view("key_metrics", chosen)
    [events_log] = view("ingest_balance", {**period, **settled})
    [freshness] = view("freshness", {})
    messages = view("error_messages", {**chosen, "limit": MESSAGES})
    return Report(
        **period,
        source=source,
        destination=destination,
        metrics=Metrics(**_only(Metrics, metrics)),
        changes=Changes(**_only(Changes, key_metrics)),
        ingest=_ingest(view, period, source) if source else Ingest(**_only(Ingest, events_log)),
        events_log=EventsLog(**_only(EventsLog, events_log)),
        rejections=tuple(
            RejectionGroup(**_only(RejectionGroup, row)) for row in view("rejections", {**period, "source": source})
        ),
        balance=tuple(ConnectionBalance(**row) for row in view("balance", {**chosen, **settled})),
        redrives=tuple(RedriveBalance(**row) for row in view("redrive_balance", {**chosen, **settled})),
        errors=tuple(_error(row, messages) for row in view("error_details", chosen)),
        trend=tuple(
            TrendPoint(**_only(TrendPoint, row | {"at_ms": row["bucket"]}))
            for row in view("delivery_trend", {**chosen, "step_seconds": step_seconds})
        ),
        step_seconds=step_seconds,
        not_reportable=tuple(not_reportable),
        banners=read_banners(view, from_ms, to_ms, {destination} if destination else None),
        discards=tuple(discards),
        complete_to_ms=freshness["watermark"],
    )


def _trend_step_seconds(length_ms: int) -> int:
    """Return the length of a bucket: whole minutes, from an hour on whole hours, of which the store keeps sums."""
    minutes = -(-length_ms // (TREND_BUCKETS * 60_000))
    return max(1, minutes) * 60 if minutes < 60 else -(-minutes // 60) * 3_600


def _ingest(view: View, period: dict[str, int], source: str) -> Ingest:
    rows = view("ingest_by_source", {**period, "source": source})
    known = dict.fromkeys(Ingest.__dataclass_fields__, 0) | (rows[0] if rows else {})
    return Ingest(**{**_only(Ingest, known), "unread": None, "unexplained": None})


def _error(row: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> ErrorGroup:
    own = [group for group in messages if (group["destination"], group["code"]) == (row["destination"], row["code"])]
    more = {
        "count": row["deliveries"],
        "messages": tuple(group["message"] for group in own),
        "message_attempts": tuple(group["attempts"] for group in own),
    }
    return ErrorGroup(**_only(ErrorGroup, {**row, **more}))


def _only(shape: type, row: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the fields of a dataclass from a row of a view; the views call the times first_seen and last_seen."""
    fields = shape.__dataclass_fields__  # type: ignore[attr-defined]
    values = {name: row[name.removesuffix("_ms") if name.endswith("_seen_ms") else name] for name in fields}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
