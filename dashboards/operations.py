"""Operations: whether Waybill itself works, and whether every event is accounted for."""

from dashboards import columns as c
from dashboards import variables
from dashboards.colours import BAD, PENDING, PLAIN, WORRYING
from dashboards.page import page
from dashboards.panels import NONE_MAY_BE, grid, number
from dashboards.queries import call
from dashboards.shared import AGES, MESSAGE_ID, banners, link_to_destination, link_to_error

UID = "operations"
NO_REPORT = "Delivery has not reported yet."


_HEADLINES = (
    number(
        "Low watermark behind",
        "The age of the low watermark: everything due before it has an outcome or a retry record. Up to some 20 s is"
        " normal. It grows while delivery or recording is stopped, and while deliveries that are due wait for a"
        " stopped destination.",
        "SELECT lag_seconds AS `behind` FROM freshness", unit="s", colours=AGES, empty="no report yet",
    ),
    number(
        "Recording behind",
        "How long ago the newest record of the slowest partition was recorded. Up to some 15 s is normal, as delivery"
        " reports every 10 s.",
        "SELECT if(count() = 0, NULL, max(lag_seconds)) AS `behind` FROM write_lag",
        unit="s", colours=AGES, empty="no report yet",
    ),
    number(
        "Unread events",
        "Events in the log that delivery had not read at its last report.",
        "SELECT if(count() = 0, NULL, sum(unread)) AS `unread` FROM topic_lag WHERE topic = 'events'",
        colours=((None, PLAIN), (10_000, WORRYING), (100_000, BAD)), empty="no report yet",
    ),
    number(
        "Pending",
        "Deliveries of the events received in this period that have no outcome yet.",
        f"SELECT sum(pending) AS `pending` FROM {call('balance')}", colours=((None, PENDING),),
    ),
    number(
        "Unexplained",
        "Events and deliveries of this period that have no outcome and are not pending: lost, or counted twice. It"
        " must be 0.",
        f"SELECT (SELECT sum(unexplained) FROM {call('balance')})\n"
        f"       + (SELECT ifNull(sum(unexplained), 0) FROM {call('ingest_balance')}) AS `unexplained`",
        colours=NONE_MAY_BE,
    ),
    number(
        "Possible duplicates",
        "Calls of this period that may repeat one made before a crash.",
        f"SELECT sum(possible_duplicates) AS `calls` FROM {call('possible_duplicates')}",
        colours=((None, PLAIN), (1, WORRYING)),
    ),
)  # fmt: skip

_FATES = ("Routed", "Filtered", "Delivered", "Discarded", "Expired", "Pending")
_BALANCE = grid(
    "Balance of deliveries",
    "Every delivery of the events received in this period is in exactly one of the columns after Routed. Unexplained"
    " must be 0: deliveries without an outcome that are not pending, or that were counted twice.",
    f"SELECT source AS `Source`, destination AS `Destination`, {', '.join(f'{n.lower()} AS `{n}`' for n in _FATES)},\n"
    f"       unexplained AS `Unexplained`\nFROM {call('balance')}\n"
    "ORDER BY unexplained != 0 DESC, source, destination",
    empty="Nothing was received in this period with this choice.",
    columns={
        "Destination": link_to_destination("Destination"),
        _FATES: c.count(),
    },
)
_INGEST = grid(
    "Balance of events",
    "Ingested is accepted and rejected; accepted is duplicates, routed events and unread ones. Unexplained must be 0."
    " Over all sources and destinations.",
    "SELECT ingested AS `Ingested`, rejected AS `Rejected`, accepted AS `Accepted`, duplicates AS `Duplicates`,\n"
    "       routed_events AS `Routed`, unread AS `Unread`, unexplained AS `Unexplained`\n"
    f"FROM {call('ingest_balance')}",
    empty="Nothing was ingested in this period.",
    columns={
        ("Ingested", "Rejected", "Accepted", "Duplicates", "Routed", "Unread"): c.count(),
    },
)
_REDRIVES = grid(
    "Balance of redrives",
    "Outcomes of the redrives started in this period. No other number includes them.",
    "SELECT source AS `Source`, destination AS `Destination`, redriven AS `Redriven`, recovered AS `Recovered`,\n"
    "       filtered + discarded + expired AS `Failed again`, pending AS `Pending`, unexplained AS `Unexplained`\n"
    f"FROM {call('redrive_balance')}\n"
    "ORDER BY source, destination",
    empty="Nothing was redriven in this period.",
    columns={
        ("Redriven", "Recovered", "Failed again", "Pending"): c.count(),
    },
)
_OLDEST = grid(
    "Oldest undelivered",
    "For each connection, the delivery that has waited longest among the events received in this period, what it waits"
    " for, and how many are pending.",
    "SELECT source AS `Source`, destination AS `Destination`, pending AS `Pending`, age_seconds AS `Age`,\n"
    "       waits_for AS `Waits for`, due_at AS `Next call`, attempt AS `Calls`, code AS `Code`,\n"
    "       description AS `What happened`, action AS `What to do`, message_id AS `Message id`\n"
    f"FROM {call('oldest_undelivered')}\n"
    "ORDER BY age_seconds DESC, source, destination",
    empty="Nothing waits: every delivery of the events received in this period has an outcome.",
    columns={
        "Source": c.width(100),
        "Destination": c.width(130),
        "Pending": c.count(90),
        "Age": c.unit("s", 0) + c.width(95),
        "Waits for": c.width(110),
        "Calls": c.width(65),
        "Code": c.width(130) + link_to_error(),
        "Message id": MESSAGE_ID,
    },
)
_TOPICS = grid(
    "Topics",
    "How far delivery has read each partition, as its shards last reported. Unsettled: read, without an outcome or a"
    " retry record yet. Waits: how long the slowest shard has held something that is due.",
    "SELECT topic AS `Topic`, partition AS `Partition`, end AS `End`, position AS `Read to`, unread AS `Unread`,\n"
    "       unsettled AS `Unsettled`, waits_seconds AS `Waits`, reported_seconds AS `Reported`\n"
    f"FROM {call('topic_lag')}\n"
    "ORDER BY topic, partition",
    empty=NO_REPORT,
    columns={
        "Partition": c.width(85),
        ("End", "Read to"): c.unit("none") + c.width(85),
        "Unread": c.count(85),
        "Unsettled": c.count(95),
        "Waits": c.unit("s", 0) + c.width(85),
        "Reported": c.unit("s", 0) + c.width(95),
    },
)
_RECORDING = grid(
    "Recording",
    "Up to when the records of each partition of topic outcomes are in ClickHouse.",
    "SELECT log_partition AS `Partition`, recorded_to AS `Recorded to`, lag_seconds AS `Ago`\n"
    f"FROM {call('write_lag')}\n"
    "ORDER BY log_partition",
    empty=NO_REPORT,
    columns={
        "Partition": c.width(90),
        "Recorded to": c.time(),
        "Ago": c.unit("s", 0),
    },
)
_DUPLICATES = grid(
    "Possible duplicates by run",
    "Calls that may repeat one made before a crash, by day and by the run of delivery that made them. The destination"
    " can recognize them by their Idempotency-Key.",
    "SELECT day AS `Day`, source AS `Source`, destination AS `Destination`, run AS `Run`,\n"
    "       possible_duplicates AS `Calls`, deliveries AS `Deliveries`, last_seen AS `Last seen`\n"
    f"FROM {call('possible_duplicates')}\n"
    "ORDER BY last_seen DESC, source, destination, run",
    empty="No call of this period may be a duplicate.",
    columns={
        "Day": c.time("YYYY-MM-DD", 105),
        "Calls": c.count(75),
    },
)


def build() -> str:
    return page(
        UID,
        "Whether Waybill itself works: how far behind it is, what waits, and whether every event is accounted for.",
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
