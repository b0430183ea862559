"""Event trace: everything recorded about one event."""

from dashboards import columns as c
from dashboards import variables
from dashboards.colours import PENDING, PLAIN, STATES
from dashboards.links import field
from dashboards.page import page
from dashboards.panels import grid
from dashboards.queries import call, value_of
from dashboards.shared import SAMPLE, SAMPLE_COLUMNS, link_to_error

UID = "event-trace"
MESSAGE_ID = value_of("message_id")
UNKNOWN = "No event with this messageId is recorded: it was never received, had another id, or its retention ended."
_TRACE = call("event_trace", message_id=MESSAGE_ID)
_STEPS = {
    "rejected": ("refused at ingest", "red"),
    "received": ("received", PLAIN),
    "duplicate": ("duplicate", PLAIN),
    "routed": ("to be delivered", PENDING),
    "attempt_failed": ("call failed", "yellow"),
    "requeued": ("requeued", PENDING),
    "redriven": ("redriven", PENDING),
    "redrive_attempt_failed": ("call failed, again", "yellow"),
    "redrive_requeued": ("requeued, again", PENDING),
    "tested": ("tested", PLAIN),
}
_ERROR = link_to_error(field("destination", "Destination"), field("source", "Source"))

_ANSWER = grid(
    "Where it is now",
    "The state of each delivery of the event: one row for each destination and mapping, or one for the event if it"
    " never became a delivery.",
    "SELECT if(destination = '', 'none', destination) AS `To`, mapping AS `Mapping`,\n"
    "       if(max(redrive) = 0, '', concat('redrive ', toString(max(redrive)))) AS `Sent again`,\n"
    "       argMax(multiIf(state != '', state, step IN ('rejected', 'duplicate'), step, 'pending'), place) AS `Now`,\n"
    "       max(attempt) AS `Calls`, argMax(code, place) AS `Code`, argMax(description, place) AS `What happened`,\n"
    "       argMax(action, place) AS `What to do`, argMax(tuple(due_at), place).1 AS `Next call`, max(at) AS `Since`,\n"
    "       argMax(latency_ms, place) AS `Took`, any(source) AS `Source`, any(destination) AS `Destination`\n"
    f"FROM (SELECT *, rowNumberInAllBlocks() AS place FROM {_TRACE})\n"
    "WHERE (delivery_id != '' OR step = 'duplicate') AND step != 'tested'\n"
    "GROUP BY destination, mapping, delivery_id\n"
    "ORDER BY destination, mapping, max(redrive), delivery_id",
    empty=UNKNOWN,
    columns={
        "To": c.width(115),
        "Sent again": c.width(90),
        "Now": c.words(STATES | {name: _STEPS[name] for name in ("rejected", "duplicate")}, 115),
        "Calls": c.width(60),
        "Code": c.width(150) + _ERROR,
        "Since": c.time(),
        "Took": c.milliseconds(80),
        ("Source", "Destination"): c.hidden(),
    },
)
_STEPS_TABLE = grid(
    "Step by step",
    "Everything that happened to the event, oldest first. Took: the time of a call, or of an outcome the time"
    " since Waybill received the event, with its parts beside it (queue, waits between calls, limits of the"
    " destination, calls). Uncounted steps repeat an earlier record after a crash.",
    "SELECT at AS `At`, if(endsWith(step, 'outcome'), state, step) AS `Step`, destination AS `Destination`,\n"
    "       mapping AS `Mapping`, attempt AS `Call`, code AS `Code`, http_status AS `Status`, message AS `Message`,\n"
    "       ifNull(latency_ms, if(http_ms = 0, NULL, http_ms)) AS `Took`, queue_ms AS `Queue`,\n"
    "       retry_wait_ms AS `Retries`, limit_wait_ms AS `Limits`, calls_ms AS `Calls`, due_at AS `Next call`,\n"
    "       if(counted, 'yes', 'no') AS `Counted`, source AS `Source`\n"
    f"FROM {_TRACE}",
    empty=UNKNOWN,
    columns={
        "Step": c.words(STATES | _STEPS, 135),
        "Destination": c.width(115),
        "Call": c.width(50),
        "Code": c.width(130) + _ERROR,
        "Status": c.unit("none") + c.width(65),
        ("Took", "Queue", "Retries", "Limits", "Calls"): c.milliseconds(75),
        "Next call": c.time("HH:mm:ss", 85),
        "Counted": c.width(75),
        "Source": c.hidden(),
    },
)
_SAMPLES = grid(
    "Payloads",
    "Samples of this event's calls, among the newest 10,000 samples of the period picked above: a few are kept of each"
    " error and minute, and one success of each event name and hour. Click a payload to read it in full.",
    f"SELECT s.at AS `Sampled at`, s.destination AS `Destination`, {SAMPLE}\n"
    f"FROM {call('delivery_samples', source=repr(''), destination=repr(''), code=repr(''), limit='10000')} AS s\n"
    f"WHERE s.message_id = {MESSAGE_ID}\n"
    "ORDER BY s.at, s.delivery_id, s.attempt",
    empty="No sample of this event is kept for this period: every event is counted, but only few are sampled.",
    columns={"Destination": c.width(130), **SAMPLE_COLUMNS},
)


def build() -> str:
    return page(
        UID,
        "The history of one event, found by its messageId: rejected, filtered, pending, failed or delivered, and when.",
        (variables.text_box("message_id", "messageId", "The messageId that your app or SDK gave the event."),),
        (
            (9, ((24, _ANSWER),)),
            (13, ((24, _STEPS_TABLE),)),
            (9, ((24, _SAMPLES),)),
        ),
    )
