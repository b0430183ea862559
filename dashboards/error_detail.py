"""Error detail: one error of one destination, as linked from alerts."""

from grafana_foundation_sdk.builders import table

from dashboards import columns as c
from dashboards import variables
from dashboards.annotations import alert_marks
from dashboards.colours import DISCARDED, EXPIRED, FAILED_CALLS
from dashboards.page import page
from dashboards.panels import bars, grid
from dashboards.queries import call, trend, value_of
from dashboards.shared import ERROR_COLUMNS, SAMPLE, SAMPLE_COLUMNS, complete_to

UID = "error-detail"
CODE = value_of("code")
_SERIES = {"Discarded": DISCARDED, "Expired": EXPIRED, "Failed calls, retried": FAILED_CALLS}

_ERROR = grid(
    "The error",
    "What the code means, who has to act and how. Without a code, all errors of the period.",
    "SELECT code AS `Code`, destination AS `Destination`, state AS `State`, severity AS `Severity`,\n"
    "       replaceOne(owner, '_', ' ') AS `Whose turn`, deliveries AS `Deliveries`, first_seen AS `First seen`,\n"
    "       last_seen AS `Last seen`, description AS `What happened`, action AS `What to do`, link AS `More`\n"
    f"FROM {call('error_details')}\n"
    f"WHERE {CODE} IN ('', code)\n"
    "ORDER BY deliveries DESC, destination, code, state",
    empty="No delivery ended with this code or waits because of it; deliveries that a later call delivered are below.",
    columns={
        **ERROR_COLUMNS,
        "Whose turn": c.width(110),
    },
)
_TREND = bars(
    "When it happens",
    "Deliveries that ended with this error, and calls that failed with it and were retried. In shaded buckets the"
    " numbers may still change.",
    trend(
        "error_trend",
        dict(zip(_SERIES, ("discarded", "expired", "attempts_failed"), strict=True)),
        code=CODE,
    ),
    _SERIES,
    empty="It did not happen in this period.",
)
_MESSAGES = grid(
    "What the destination says",
    "A recent message of each group of similar ones, over all calls that failed with this code, including those retried"
    " with success. Secrets and personal data are redacted.",
    "SELECT destination AS `Destination`, code AS `Code`, message AS `Message`, sum(attempts) AS `Calls`,\n"
    "       sum(deliveries) AS `Deliveries`, max(last_seen) AS `Last seen`\n"
    f"FROM {call('error_groups')}\n"
    f"WHERE {CODE} IN ('', code) AND message != ''\n"
    "GROUP BY destination, code, message\n"
    "ORDER BY `Calls` DESC, destination, code, message\n"
    "LIMIT 50",
    empty="No message came with this error.",
    columns={
        ("Destination", "Code"): c.width(130),
        "Calls": c.count(),
    },
)


def _affected(title: str, by: str) -> table.Panel:
    return grid(
        title,
        "Deliveries that ended with this error, and the success rate of the same events over all codes.",
        "SELECT if(value = '', '(none)', value) AS `Value`, count AS `Deliveries`, share AS `Share`,\n"
        "       share_change_points AS `Change of share`, success_rate AS `Success rate`\n"
        f"FROM {call('breakdown', step=repr('failed_delivery'), code=CODE, by=repr(by), limit='50')}\n"
        "WHERE count > 0\n"
        "ORDER BY count DESC, value",
        empty="No delivery ended with this error in this period.",
        columns={
            "Share": c.share(DISCARDED),
        },
    )


_SAMPLES = grid(
    "Samples",
    "The newest ten of each state: the event as you sent it, the request made of it, and the response. Click a payload"
    " to read it in full.",
    f"SELECT s.at AS `Sampled at`, s.destination AS `Destination`, s.code AS `Code`, {SAMPLE}\n"
    f"FROM {call('error_samples', code=CODE, limit='10')} AS s\n"
    "ORDER BY s.at DESC, s.delivery_id, s.attempt",
    empty="No sample of this error is kept for this period.",
    columns={
        ("Destination", "Code"): c.width(130),
        **SAMPLE_COLUMNS,
    },
)


def build() -> str:
    return page(
        UID,
        "One error: what it means, what to do, when it happens, what the destination says, and samples.",
        (
            variables.source(),
            variables.destination(),
            variables.text_box("code", "Error code", "Such as 503 or ECONNREFUSED; empty for all."),
        ),
        (
            (7, ((24, _ERROR),)),
            (8, ((19, _TREND), (5, complete_to()))),
            (7, ((24, _MESSAGES),)),
            (
                8,
                ((12, _affected("Affected events", "event_name")), (12, _affected("Affected versions", "app_version"))),
            ),
            (12, ((24, _SAMPLES),)),
        ),
        marks=alert_marks(),
    )
