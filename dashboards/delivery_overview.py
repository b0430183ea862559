"""Delivery overview: how many events reach each step, and which."""

from dashboards import columns as c
from dashboards import variables
from dashboards.annotations import alert_marks
from dashboards.colours import DISCARDED, NEUTRAL, STEPS
from dashboards.links import address, field, kept
from dashboards.page import page
from dashboards.panels import bar_list, bars, grid
from dashboards.queries import call, unsettled, value_of
from dashboards.shared import banners, complete_to, link_to_error

UID = "delivery-overview"
NOTHING = "Nothing reached this step in this period with this choice."
# A link may leave it empty.
_BY = f"if({value_of('by')} = '', 'event_name', {value_of('by')})"


def _step_address(step: str) -> str:
    return address(UID, step, kept("source"), kept("destination"), kept("by"))


_FUNNEL = bar_list(
    "Pipeline",
    "How many events reach each step. The first three steps count events, the others deliveries: one event may become"
    " several. Pending retry is what waits at this time. Click a step to break it down below.",
    "SELECT "
    + ",\n       ".join(f"anyIf(count, step = '{step}') AS `{label}`" for step, (label, _) in STEPS.items())
    + f"\nFROM {call('funnel')}",
    {label: (colour, _step_address(f"var-step={step}")) for step, (label, colour) in STEPS.items()},
    empty="Nothing was received in this period.",
)
_STEPS = grid(
    "Steps against the period before",
    "Share: of events, of what arrived at ingest; of deliveries, of those that ended. Change of share is in percentage"
    " points against the equally long period before. Click a step to break it down below.",
    "SELECT label AS `Step`, unit AS `Counts`, count AS `Now`, count_before AS `Before`,\n"
    "       change_percent AS `Change`, share AS `Share`, share_change_points AS `Change of share`, step AS `Step id`\n"
    f"FROM {call('funnel')}\n"
    "ORDER BY position",
    empty="Nothing was received in this period.",
    columns={
        "Step": c.width(165) + c.links(("Break down this step", _step_address(field("step", "Step id")))),
        "Counts": c.width(85),
        ("Now", "Before"): c.count(70),
        "Change": c.percent_change(),
        "Share": c.unit("percentunit", 1) + c.width(70),
        "Step id": c.hidden(),
    },
)
_TREND = bars(
    "Trend of ${step:text}",
    "The step picked, by the time of the event. Pending deliveries are counted at this time only and have no history."
    " In shaded buckets the numbers may still change.",
    # Buckets with nothing in them have no row in step_series.
    "SELECT bucket AS time, sum(n) AS `Count`,\n"
    f"       {unsettled('time')}\n"
    "FROM (\n"
    f"    SELECT bucket, toInt64(0) AS n FROM {call('delivery_trend')}\n"
    "    UNION ALL\n"
    "    SELECT bucket, count FROM "
    f"{call('step_series', step=value_of('step'), by='CAST([], ' + repr('Array(String)') + ')')}\n"
    ")\n"
    "GROUP BY time\n"
    "ORDER BY time",
    {"Count": NEUTRAL},
    empty=NOTHING,
)
_BREAKDOWN = grid(
    "${step:text} by ${by:text}",
    "Which events are at the step picked. Count, share and their changes are of this step; delivered, not delivered,"
    " pending, success rate and P95 are of the same events at all steps. At most 100 rows.",
    "SELECT if(value = '', '(none)', value) AS `Value`, count AS `Count`, share AS `Share`,\n"
    "       change_percent AS `Change`, share_change_points AS `Change of share`,\n"
    "       delivered AS `Delivered`, not_delivered AS `Not delivered`,\n"
    "       pending AS `Pending`, success_rate AS `Success rate`, p95_latency_ms AS `P95 latency`\n"
    f"FROM {call('breakdown', step=value_of('step'), code=repr(''), by=_BY, limit='100')}\n"
    "ORDER BY count DESC, value",
    empty=NOTHING,
    columns={
        "Count": c.count(),
        "Share": c.share(NEUTRAL),
        "Change": c.percent_change(),
        "Not delivered": c.count(115),
        "Pending": c.count(90),
        "P95 latency": c.milliseconds(110),
    },
)
_REASONS = grid(
    "Why: reasons at ${step:text}",
    "Reasons for which events or deliveries stopped at the step picked. Click a code for its trend, its messages and"
    " samples.",
    "SELECT code AS `Code`, severity AS `Severity`, count AS `Count`, share AS `Share`, change_percent AS `Change`,\n"
    "       share_change_points AS `Change of share`, last_seen AS `Last seen`, description AS `What happened`,\n"
    "       action AS `What to do`, link AS `More`\n"
    # For the view, '' means all steps; a step at which nothing stops has no reasons.
    f"FROM {call('discard_breakdown', step=value_of('step'))}\n"
    f"WHERE step = {value_of('step')}\n"
    "ORDER BY count DESC, code",
    empty="Nothing stopped at this step in this period.",
    columns={
        "Code": c.width(165) + link_to_error(kept("source"), kept("destination")),
        "Count": c.count(85),
        "Share": c.share(DISCARDED),
        "Change": c.percent_change(),
    },
)


def build() -> str:
    return page(
        UID,
        "How many events reach each step: received, rejected, filtered, pending, failed, delivered, and which.",
        (variables.source(), variables.destination(), variables.step(), variables.by()),
        (
            (6, ((24, banners()),)),
            (9, ((8, _FUNNEL), (12, _STEPS), (4, complete_to()))),
            "The step picked",
            (9, ((24, _BREAKDOWN),)),
            (7, ((24, _REASONS),)),
            (8, ((24, _TREND),)),
        ),
        marks=alert_marks(),
    )
