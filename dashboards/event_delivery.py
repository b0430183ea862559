"""Event delivery: what was delivered, how fast, and what failed."""

from grafana_foundation_sdk.builders import stat

from dashboards import columns as c
from dashboards import variables
from dashboards.annotations import alert_marks
from dashboards.colours import BAD, DELIVERED, FILTERED, GOOD, LATENCY, NOT_DELIVERED, PLAIN, WORRYING
from dashboards.page import page
from dashboards.panels import Steps, bars, change_colours, grid, lines, number
from dashboards.queries import call, change, trend
from dashboards.shared import (
    ERROR_COLUMNS,
    SAMPLE,
    SAMPLE_COLUMNS,
    banners,
    complete_to,
    link_to_destination,
)

UID = "event-delivery"
NOTHING_ENDED = "No delivery ended in this period with this choice."
_ERROR = (
    "Code", "Destination", "State", "Deliveries", "Share", "First seen", "Last seen", "What happened",
)  # fmt: skip


def _key_metric(
    title: str, description: str, name: str, changed: str, unit: str, *, more_is: str, colours: Steps = ((None, PLAIN),)
) -> stat.Panel:
    """A number of key_counts or key_latencies and, below it, its change: ``changed`` names its column."""
    changes_in = {"percent": "%", "points": "points", "ms": "ms"}[changed.rpartition("_")[2]]
    view = "key_latencies" if changes_in == "ms" else "key_counts"
    return number(
        title,
        f"{description} Below it, the change against the equally long period before.",
        f"SELECT {name} AS `{title}`, {change(changed, changes_in)} AS `change`\nFROM {call(view)}",
        unit=unit,
        empty="none ended",
        colours=colours,
    ).override_by_name("change", change_colours(more_is))


def _latency(percent: int) -> stat.Panel:
    return _key_metric(
        f"P{percent} latency",
        f"{percent} of 100 deliveries took at most this long, from the receipt of the event until the destination"
        " accepted it.",
        f"p{percent}_latency_ms",
        f"p{percent}_latency_change_ms",
        "ms",
        more_is="bad",
    )


_DELIVERED = _key_metric(
    "Delivered",
    "Deliveries that the destination accepted, by the minute in which it did.",
    "delivered", "delivered_change_percent", "short", more_is="neither", colours=((None, DELIVERED),),
)  # fmt: skip
_NOT_DELIVERED = _key_metric(
    "Not delivered",
    "Deliveries that were discarded or expired. Pending ones are not included.",
    "not_delivered", "not_delivered_change_percent", "short", more_is="bad", colours=((None, GOOD), (1, NOT_DELIVERED)),
)  # fmt: skip
_SUCCESS_RATE = _key_metric(
    "Success rate",
    "Share of delivered among all deliveries with an outcome; no rate includes filtered ones.",
    "success_rate", "success_rate_change_points", "percentunit", more_is="good",
    colours=((None, BAD), (0.95, WORRYING), (0.99, GOOD)),
)  # fmt: skip

_ERRORS = grid(
    "Errors",
    "Why deliveries failed or wait for a retry; most frequent first. A row opens to what to do and to samples: the"
    " event as you sent it, the request made of it and the destination's response, without secrets and personal data.",
    "SELECT e.code AS `Code`, e.destination AS `Destination`, e.state AS `State`, e.deliveries AS `Deliveries`,\n"
    "       e.share AS `Share`, e.first_seen AS `First seen`, e.last_seen AS `Last seen`,\n"
    "       e.description AS `What happened`, if(nth = 1, e.action, '') AS `What to do`,\n"
    "       if(nth = 1, e.link, '') AS `More`, if(s.delivery_id = '', NULL, s.at) AS `Sampled at`,\n"
    f"       {SAMPLE},\n"
    "       row_number() OVER (PARTITION BY e.destination, e.code, e.state\n"
    "                          ORDER BY s.state = e.state DESC, s.at DESC, s.delivery_id) AS nth\n"
    f"FROM {call('error_details')} AS e\n"
    f"LEFT JOIN {call('error_samples', code=repr(''), limit='3')} AS s\n"
    "    ON s.destination = e.destination AND s.code = e.code\n"
    "QUALIFY nth <= 3\n"
    "ORDER BY e.deliveries DESC, e.destination, e.code, e.state, nth",
    empty="Nothing failed in this period with this choice.",
    columns={
        **ERROR_COLUMNS,
        "Share": c.share(BAD),
        **SAMPLE_COLUMNS,
        "nth": c.hidden(),
    },
    nested_by=_ERROR,
)

_TREND = bars(
    "Deliveries",
    "Outcomes of deliveries, by the time of the outcome. In shaded buckets the numbers may still change.",
    trend(
        "count_trend",
        {"Delivered": "delivered", "Not delivered": "not_delivered", "Filtered": "filtered"},
    ),
    {"Delivered": DELIVERED, "Not delivered": NOT_DELIVERED, "Filtered": FILTERED},
    empty=NOTHING_ENDED,
)
_LATENCY_TREND = lines(
    "Latency",
    "From the receipt of an event until the destination accepted it, by the time of delivery: 50, 95 and 99 of 100"
    " deliveries took at most this long. In shaded buckets the numbers may still change.",
    trend("latency_trend", {f"P{percent}": f"p{percent}_latency_ms" for percent in (50, 95, 99)}),
    dict(zip(("P50", "P95", "P99"), LATENCY, strict=True)),
    unit="ms",
    empty=NOTHING_ENDED,
)
_SPLIT = grid(
    "Where the time goes",
    "The mean time of a delivery in each part of its way: waiting unread or for its turn, between attempts, behind the"
    " destination's limits (pause, rate, breaker, setting up), and in calls. Ours are the first and the third part.",
    "SELECT source AS `Source`, destination AS `Destination`, delivered AS `Delivered`, mean_queue_ms AS `Queue`,\n"
    "       mean_retry_wait_ms AS `Between attempts`, mean_limit_wait_ms AS `Limits`, mean_calls_ms AS `Calls`\n"
    f"FROM {call('latency_split')}\n"
    "ORDER BY source, destination",
    empty="Nothing was delivered in this period with this choice.",
    columns={
        "Source": c.width(90),
        "Destination": c.width(130) + link_to_destination("Destination"),
        ("Queue", "Limits", "Calls"): c.milliseconds(85),
        "Between attempts": c.milliseconds(130),
    },
)
_ATTEMPTS = grid(
    "Success by attempt",
    "By number of the call: deliveries that it delivered, their share so far, calls that failed and were retried, and"
    " deliveries given up after it (0: without any call).",
    "SELECT attempt AS `Attempt`, delivered AS `Delivered`, share AS `Share`, cumulative_share AS `By then`,\n"
    "       attempts_failed AS `Failed calls`, not_delivered AS `Given up`\n"
    f"FROM {call('success_by_attempt')}\n"
    "ORDER BY attempt",
    empty=NOTHING_ENDED,
    columns={
        ("Share", "By then"): c.share(DELIVERED),
        "Failed calls": c.count(),
        "Given up": c.count(90),
    },
)


def build() -> str:
    return page(
        UID,
        "Whether events arrive at their destinations, how fast, and what went wrong with those that did not.",
        (variables.source(), variables.destination()),
        (
            (6, ((24, banners()),)),
            (
                4,
                (
                    (6, complete_to()),
                    (3, _DELIVERED),
                    (3, _NOT_DELIVERED),
                    (3, _SUCCESS_RATE),
                    (3, _latency(50)),
                    (3, _latency(95)),
                    (3, _latency(99)),
                ),
            ),
            (13, ((24, _ERRORS),)),
            (9, ((12, _TREND), (12, _LATENCY_TREND))),
            (8, ((12, _SPLIT), (12, _ATTEMPTS))),
        ),
        marks=alert_marks(),
    )
