"""Operations: is Waybill itself well, and is every event accounted for."""

from grafana_foundation_sdk.builders import stat

from dashboards import columns as c
from dashboards import variables
from dashboards.colours import BAD, GOOD, PENDING, PLAIN, WORRYING
from dashboards.links import address, field, kept
from dashboards.page import page
from dashboards.panels import Steps, grid, number
from dashboards.queries import call
from dashboards.shared import banners, only_destination, trace

UID = "operations"
SILENT = "Delivery has not reported yet."
_AGES: Steps = ((None, GOOD), (60, WORRYING), (300, BAD))
_NONE_MAY_BE: Steps = ((None, GOOD), (1, BAD))


def _headline(title: str, description: str, sql: str, unit: str, colours: Steps, empty: str = "none") -> stat.Panel:
    return number(title, description, sql, unit=unit, colours=colours, empty=empty, decimals=0 if unit == "s" else None)


_HEADLINES = (
    _headline(
        "Low watermark behind",
        "How long ago the low watermark lies: everything due before it has ended or is written down to be tried later."
        " Up to some 20 s is in order. It lies back while delivery or recording stands still, and while deliveries"
        " that are due are held for a destination that takes nothing.",
        "SELECT lag_seconds AS `behind` FROM freshness", "s", _AGES, "no report yet",
    ),
    _headline(
        "Recording behind",
        "How long ago the newest record of the slowest partition was recorded. Up to some 15 s is in order, as"
        " delivery reports each 10 s.",
        "SELECT if(count() = 0, NULL, max(lag_seconds)) AS `behind` FROM write_lag", "s", _AGES, "no report yet",
    ),
    _headline(
        "Unread events",
        "Events in the log that delivery has not read yet, as it said last.",
        "SELECT if(count() = 0, NULL, sum(unread)) AS `unread` FROM topic_lag WHERE topic = 'events'", "short",
        ((None, PLAIN), (10_000, WORRYING), (100_000, BAD)), "no report yet",
    ),
    _headline(
        "Pending",
        "Deliveries of the events received in this period that have not ended and are on their way.",
        f"SELECT sum(pending) AS `pending` FROM {call('balance')}", "short", ((None, PENDING),),
    ),
    _headline(
        "Unexplained",
        "Events and deliveries of this period that neither ended nor wait: lost, or counted twice. It must be 0.",
        f"SELECT (SELECT sum(unexplained) FROM {call('balance')})\n"
        f"       + (SELECT ifNull(sum(unexplained), 0) FROM {call('ingest_balance')}) AS `unexplained`",
        "short", _NONE_MAY_BE,
    ),
    _headline(
        "Possible duplicates",
        "Calls of this period that may repeat one made before a crash.",
        f"SELECT sum(possible_duplicates) AS `calls` FROM {call('possible_duplicates')}", "short",
        ((None, PLAIN), (1, WORRYING)),
    ),
)  # fmt: skip

_FATES = ("Routed", "Filtered", "Delivered", "Discarded", "Expired", "Pending")
_BALANCE = grid(
    "Balance of deliveries",
    "Every delivery of the events received in this period is in exactly one of the columns after Routed."
    " Unexplained must be 0: it is what neither ended nor waits, or was counted twice.",
    f"SELECT source AS `Source`, destination AS `Destination`, {', '.join(f'{n.lower()} AS `{n}`' for n in _FATES)},\n"
    f"       unexplained AS `Unexplained`\nFROM {call('balance')}\n"
    "ORDER BY unexplained != 0 DESC, source, destination",
    empty="Nothing was received in this period with this choice.",
    columns=(
        c.column("Destination", c.link("Only this destination", only_destination("Destination"))),
        *(c.column(name, c.count()) for name in _FATES),
        c.column("Unexplained", c.red_unless_zero()),
    ),
)
_INGEST = grid(
    "Balance of events",
    "Ingested is accepted and rejected; accepted is duplicates, routed events and unread ones. Unexplained must be 0."
    " Over all sources and destinations.",
    "SELECT ingested AS `Ingested`, rejected AS `Rejected`, accepted AS `Accepted`, duplicates AS `Duplicates`,\n"
    "       routed_events AS `Routed`, unread AS `Unread`, unexplained AS `Unexplained`\n"
    f"FROM {call('ingest_balance')}",
    empty="Nothing was ingested in this period.",
    columns=(
        *(c.column(n, c.count()) for n in ("Ingested", "Rejected", "Accepted", "Duplicates", "Routed", "Unread")),
        c.column("Unexplained", c.red_unless_zero()),
    ),
)
_REDRIVES = grid(
    "Balance of redrives",
    "What became of deliveries sent again by hand in this period; in no other number.",
    "SELECT source AS `Source`, destination AS `Destination`, redriven AS `Redriven`, recovered AS `Recovered`,\n"
    "       filtered + discarded + expired AS `Failed again`, pending AS `Pending`, unexplained AS `Unexplained`\n"
    f"FROM {call('redrive_balance')}\n"
    "ORDER BY source, destination",
    empty="Nothing was redriven in this period.",
    columns=(
        *(c.column(name, c.count()) for name in ("Redriven", "Recovered", "Failed again", "Pending")),
        c.column("Unexplained", c.red_unless_zero()),
    ),
)
_OLDEST = grid(
    "Oldest undelivered",
    "For each connection, the delivery that waits longest among the events received in this period, what it waits for,"
    " and how many wait with it.",
    "SELECT source AS `Source`, destination AS `Destination`, pending AS `Pending`, age_seconds AS `Age`,\n"
    "       waits_for AS `Waits for`, due_at AS `Next call`, attempt AS `Calls`, code AS `Code`,\n"
    "       description AS `What happened`, action AS `What to do`, message_id AS `Message id`\n"
    f"FROM {call('oldest_undelivered')}\n"
    "ORDER BY age_seconds DESC, source, destination",
    empty="Nothing waits: every delivery of the events received in this period has ended.",
    columns=(
        c.column("Source", c.width(100)),
        c.column("Destination", c.width(130)),
        c.column("Pending", c.count(90)),
        c.column("Age", c.unit("s", 0) + c.width(95)),
        c.column("Waits for", c.width(110)),
        c.column("Next call", c.time()),
        c.column("Calls", c.width(65)),
        c.column(
            "Code",
            c.width(130)
            + c.link(
                "All about this error",
                address("error-detail", field("code", "Code"), field("destination", "Destination"), kept("source")),
            ),
        ),
        c.column("What happened", c.wrapped()),
        c.column("What to do", c.wrapped()),
        c.column("Message id", c.width(170) + c.link("What became of this event", trace("Message id"))),
    ),
)
_TOPICS = grid(
    "Topics",
    "How far delivery has read each partition, as its shards last reported. Unsettled: read, without an outcome or a"
    " retry record yet. Waits: since when the slowest shard has something that is due.",
    "SELECT topic AS `Topic`, partition AS `Partition`, end AS `End`, position AS `Read to`, unread AS `Unread`,\n"
    "       unsettled AS `Unsettled`, waits_seconds AS `Waits`, reported_seconds AS `Reported`\n"
    f"FROM {call('topic_lag')}\n"
    "ORDER BY topic, partition",
    empty=SILENT,
    columns=(
        c.column("Partition", c.width(85)),
        c.column("End", c.unit("none") + c.width(85)),
        c.column("Read to", c.unit("none") + c.width(85)),
        c.column("Unread", c.count(85)),
        c.column("Unsettled", c.count(95)),
        c.column("Waits", c.unit("s", 0) + c.width(85)),
        c.column("Reported", c.unit("s", 0) + c.width(95)),
    ),
)
_RECORDING = grid(
    "Recording",
    "Up to when the records of each partition of topic outcomes are in ClickHouse.",
    "SELECT log_partition AS `Partition`, recorded_to AS `Recorded to`, lag_seconds AS `Ago`\n"
    f"FROM {call('write_lag')}\n"
    "ORDER BY log_partition",
    empty=SILENT,
    columns=(
        c.column("Partition", c.width(90)),
        c.column("Recorded to", c.time()),
        c.column("Ago", c.unit("s", 0)),
    ),
)
_DUPLICATES = grid(
    "Possible duplicates by run",
    "Calls that may repeat one made before a crash, by day and by the run of delivery that made them. The destination"
    " can tell them by their Idempotency-Key.",
    "SELECT day AS `Day`, source AS `Source`, destination AS `Destination`, run AS `Run`,\n"
    "       possible_duplicates AS `Calls`, deliveries AS `Deliveries`, last_seen AS `Last seen`\n"
    f"FROM {call('possible_duplicates')}\n"
    "ORDER BY last_seen DESC, source, destination, run",
    empty="No call of this period can have been made twice.",
    columns=(
        c.column("Day", c.unit("time:YYYY-MM-DD") + c.width(105)),
        c.column("Calls", c.count(75)),
        c.column("Deliveries", c.count()),
        c.column("Last seen", c.time()),
    ),
)


def build() -> str:
    return page(
        UID,
        "Whether Waybill itself is well: how far behind it is, what waits, and whether every event is accounted for.",
        (variables.source(), variables.destination()),
        (
            (4, tuple((4, panel) for panel in _HEADLINES)),
            (6, ((24, banners()),)),
            "Is every event accounted for?",
            (8, ((24, _BALANCE),)),
            (4, ((24, _INGEST),)),
            "What waits, and how far behind",
            (8, ((24, _OLDEST),)),
            (9, ((14, _TOPICS), (10, _RECORDING))),
            "Sent more than once",
            (7, ((14, _DUPLICATES), (10, _REDRIVES))),
        ),
        period="now-6h",
    )
