"""A store filled with days of deliveries by SQL alone: the same rows each time, as recording would have written them.

The last day is there fact by fact, with its samples; minutes are counted from it. The days before have the minutes,
the samples and what was not delivered of that day once more. Two sources, five destinations, ten event names: 94 of 100
deliveries arrive, 3 are filtered, 2 discarded and 1 expires; 2 of 100 fail at the first call and are called again after
30 to 600 s. What has not ended by the end is pending. A fact is appended up to a second after it happened, so some are
of the next append minute.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.progress import Progress

from model.delivery.sampling import FAILURES_PER_MINUTE
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS
from model.reason_codes.catalogue import ALL
from model.recording.latency import GAMMA
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store

END_MS = 1_790_000_000_000 // MINUTE_MS * MINUTE_MS  # amid a day and a month: the last partitions are open
DESTINATION = "destination-1"
PARTITIONS = 2  # of topic outcomes
SAMPLED_DAYS = 14  # samples are kept so long
_CLOSED_MS = END_MS // HOUR_MS * HOUR_MS  # hours are built up to here
_CHUNK = 250_000  # deliveries in one statement: bounds its memory
_RETENTION_SECONDS = 10 * 366 * 86_400  # the days lie at a fixed time
_SETTLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Amount:
    """How much to fill in; at least one day."""

    deliveries_per_day: int = 5_000_000
    days: int = 30


# Some deliveries, each with what became of it; every column follows from n alone. Times in ms.
_DELIVERIES = f"""
    SELECT
        number AS n,
        {END_MS - DAY_MS} + intDiv(n * {DAY_MS}, {{per_day:UInt64}}) AS received_ms,
        concat('source-', toString(sipHash64(n, 'source') % 2)) AS source,
        concat('destination-', toString(sipHash64(n, 'destination') % 5)) AS destination,
        concat('Event ', toString(sipHash64(n, 'name') % 10)) AS event_name,
        sipHash64(n, 'state') % 100 AS chance,
        multiIf(chance < 94, 'delivered', chance < 97, 'filtered', chance < 99, 'discarded', 'expired') AS state,
        multiIf(state = 'delivered', '', state = 'filtered', 'FILTERED_BY_RULES',
                toString(if(state = 'expired', 500, 400) + sipHash64(n, 'code') % 4)) AS code,
        state != 'filtered' AND sipHash64(n, 'again') % 50 = 0 AS is_retried,
        sqrt(-2 * log((sipHash64(n, 'u') % 1000000 + 1) / 1000001)) * cos(2 * pi() * sipHash64(n, 'v') / exp2(64))
            AS normal,
        if(state = 'filtered', 0, toUInt64(exp(5 + 0.8 * normal)) + 1) AS call_ms,
        if(is_retried, 30000 + sipHash64(n, 'wait') % 570000, 0) AS wait_ms,
        received_ms + 10 + call_ms AS called_ms,
        called_ms + if(is_retried, wait_ms + call_ms, 0) AS ended_ms,
        if(state = 'filtered', 0, 1 + is_retried) AS calls,
        sipHash64(n, 'append') % 1000 AS append_ms,
        toString(sipHash64(n, 'group') % 2) AS error_group
    FROM numbers_mt({{first:UInt64}}, {{deliveries:UInt64}})
"""
_OF_EVENT = {
    "log_partition": f"sipHash64(n, 'partition') % {PARTITIONS}",
    "run": "'run-1'",
    "source": "source",
    "message_id": "lower(hex(sipHash128(n, 'message')))",
    "event_type": "'track'",
    "event_name": "event_name",
    "app_version": "'1.0'",
    "events_offset": "n",
    "received_at": "fromUnixTimestamp64Milli(received_ms, 'UTC')",
}
_DELIVERY_ID = "lower(hex(sipHash128(n, 'delivery')))"
_OF_DELIVERY = {
    **_OF_EVENT,
    "destination": "destination",
    "mapping": "'default'",
    "delivery_id": _DELIVERY_ID,
    "error_group": "error_group",
    "message": "concat('field ', error_group, ' of request ', toString(n), ' is not known')",
}


def _told(kind: str, place: int, happened_ms: str, which: str, columns: dict[str, str]) -> str:
    """A statement that inserts the facts of one kind; each delivery has three places in its partition of the log."""
    columns = columns | {
        "kind": f"'{kind}'",
        "log_offset": f"3 * n + {place}",
        "at": f"fromUnixTimestamp64Milli({happened_ms}, 'UTC')",
        "appended_at": f"fromUnixTimestamp64Milli({happened_ms} + append_ms, 'UTC')",
    }
    return (
        f"INSERT INTO facts ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM ({_DELIVERIES})"
        f" WHERE {happened_ms} < {END_MS} AND {which}"
    )


_FACTS = (
    _told(
        "received", 0, "received_ms", "true",
        _OF_EVENT | {"routes": f"[({_DELIVERY_ID}, destination, 'default')]"},
    ),
    _told(
        "attempt_failed", 1, "called_ms", "is_retried",
        _OF_DELIVERY
        | {"attempt": "1", "attempt_id": "lower(hex(sipHash128(n, 'attempt')))", "code": "'503'", "failure": "'retry'",
           "http_status": "503", "http_ms": "call_ms",
           "due_at": "fromUnixTimestamp64Milli(called_ms + wait_ms, 'UTC')"},
    ),
    _told(
        "outcome", 2, "ended_ms", "true",
        _OF_DELIVERY
        | {"attempt": "calls", "state": "state", "code": "code", "http_ms": "call_ms", "queue_ms": "10",
           "latency_ms": "ended_ms - received_ms", "retry_wait_ms": "wait_ms", "calls_ms": "calls * call_ms",
           "error_group": "if(code = '', '', error_group)",
           "message": f"if(code = '', '', {_OF_DELIVERY['message']})"},
    ),
)  # fmt: skip


_OF_SPAN = (
    "at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')"
)


def _counted(table: str, dimensions: str, more: Mapping[str, tuple[str, str]]) -> str:
    """A statement that counts the facts of some minutes by minute; ``more``: columns besides, each with what it is of
    facts, and of parts of them."""
    keys = f"minute, append_minute, log_partition, {dimensions}"
    return f"""
        INSERT INTO {table} ({", ".join((keys, "count", "latency", "by_attempt", "version", *more))})
        SELECT {keys}, sum(n), sumMapIf(map(index, n), status = 'delivered'),
               sumMapIf(map(calls, n), status IN ('delivered', 'attempt_failed', 'discarded', 'expired')), 1
               {"".join(f", {of_parts}(parts.{name})" for name, (_, of_parts) in more.items())}
        FROM (
            SELECT toStartOfMinute(toDateTime(at)) AS minute, toStartOfMinute(toDateTime(appended_at)) AS append_minute,
                   if(kind = 'outcome', state, kind) AS status, toUInt8(attempt) AS calls,
                   toInt16(ceil(log(greatest(latency_ms, 1)) / log({GAMMA}))) AS index,
                   log_partition, source, destination, mapping, event_type, event_name, app_version, code,
                   toInt64(count()) AS n {"".join(f", {of_facts} AS {name}" for name, (of_facts, _) in more.items())}
            FROM facts
            WHERE {_OF_SPAN}
            GROUP BY ALL
        ) AS parts
        GROUP BY {keys}
    """


_FROM_FACTS = (
    _counted(
        "minutes", "source, destination, mapping, event_type, event_name, app_version, status, code", {},
    ),
    _counted(
        "minute_totals", "source, destination, status, code",
        {name: (f"sum({name})", "sum") for name in ("queue_ms", "retry_wait_ms", "limit_wait_ms", "calls_ms")}
        | {"first_at": ("minIf(at, state IN ('discarded', 'expired'))", "min"),
           "last_at": ("maxIf(at, state IN ('discarded', 'expired'))", "max")},
    ),
    f"""
        INSERT INTO samples (log_partition, log_offset, at, source, destination, mapping, message_id,
            event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state,
            event, request, response)
        SELECT log_partition, log_offset, at, source, destination, mapping, message_id,
               event_type, event_name, app_version, received_at, delivery_id, attempt, code, message,
               if(kind = 'outcome', toString(state), 'awaiting_retry'),
               concat('{{"type":"track","event":"', event_name, '","messageId":"', message_id,
                      '","properties":{{"order":"', hex(sipHash128(log_offset)), '","note":"',
                      repeat('some words ', 20), '"}}}}') AS event,
               concat('{{"method":"POST","url":"https://destination.example/events","body":', event, '}}'),
               concat('{{"status":', code, ',"body":"', message, '"}}')
        FROM facts
        WHERE {_OF_SPAN} AND destination != '' AND (kind = 'attempt_failed' OR state IN ('discarded', 'expired'))
        LIMIT {FAILURES_PER_MINUTE} BY source, destination, code, toStartOfMinute(at)
    """,
)  # fmt: skip


def _shifted(column: str) -> str:
    """Some days back; 1970 stays, for it stands for no time."""
    return f"if({column} > 0, {column} - toIntervalDay({{back:UInt16}}), {column}) AS {column}"


def _earlier(table: str, day: str, *columns: str) -> str:
    """A statement that puts the last day into a table again, some days back; ``day``: the column of its partitions."""
    times = ", ".join(_shifted(name) for name in (day, *columns))
    named = ", lower(hex(sipHash128(delivery_id, {back:UInt16}))) AS delivery_id" if day == "received_at" else ""
    return (
        f"INSERT INTO {table} SELECT * REPLACE ({times}{named}) FROM {table}"
        f" WHERE {table}.{day} >= toDateTime({(END_MS - DAY_MS) // 1_000}, 'UTC')"
    )


_EARLIER = (
    _earlier("minutes", "minute", "append_minute"),
    _earlier("minute_totals", "minute", "append_minute", "first_at", "last_at"),
    _earlier("undelivered", "received_at", "at", "due_at", "appended_at"),
)
_EARLIER_SAMPLES = _earlier("samples", "received_at", "at")

# The day before the last, but not the first hour of all.
_HOURS_BACK = f"""
    INSERT INTO {{table}} SELECT * REPLACE ({{shifted}}) FROM {{table}} FINAL
    WHERE {{table}}.hour >= toDateTime({(_CLOSED_MS - 2 * DAY_MS) // 1_000}, 'UTC')
      AND {{table}}.hour < toDateTime({(_CLOSED_MS - DAY_MS) // 1_000}, 'UTC')
      AND {{table}}.hour - toIntervalDay({{{{back:UInt16}}}}) > toDateTime({{{{first:UInt32}}}}, 'UTC')
"""
_HOURLY = {
    "hours": ("hour",),
    "hour_totals": ("hour", "first_at", "last_at"),
    "hour_latencies": ("hour",),
    "error_hours": ("hour", "first_at", "last_at"),
}


def fill(store: Store, amount: Amount, progress: Progress) -> None:
    """Make the schema and fill it; then wait until the store has merged what a server would have in an hour."""
    migrate(store, dict.fromkeys(RETAINED, _RETENTION_SECONDS), ALL)
    with store.client() as client:
        client.command("ALTER TABLE destination_states REMOVE TTL")
        for statement, parameters in progress.track(list(_steps(amount)), description="Filling"):
            client.command(statement, parameters=dict(parameters), settings={"max_insert_threads": 2})
    _build_hours(store, amount)
    _tell_of_now(store)
    _merge(store, progress)


def _build_hours(store: Store, amount: Amount) -> None:
    """Add up the last two days, and the first hour, which is none of the others; the days between are alike."""
    first_ms = (END_MS - amount.days * DAY_MS) // HOUR_MS * HOUR_MS
    added_up = [first_ms, *range(max(first_ms + HOUR_MS, _CLOSED_MS - 2 * DAY_MS), _CLOSED_MS, HOUR_MS)]
    for partition in range(PARTITIONS):
        store.rebuild_hours(partition, added_up, _CLOSED_MS)
    with store.client() as client:
        for back in range(1, amount.days - 1):
            for table, times in _HOURLY.items():
                shifted = ", ".join(map(_shifted, times))
                statement = _HOURS_BACK.format(table=table, shifted=shifted)
                client.command(statement, parameters={"back": back, "first": first_ms // 1_000})


def _steps(amount: Amount) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Statements with their parameters."""
    for first in range(0, amount.deliveries_per_day, _CHUNK):
        deliveries = min(_CHUNK, amount.deliveries_per_day - first)
        for statement in _FACTS:
            yield statement, {"first": first, "deliveries": deliveries, "per_day": amount.deliveries_per_day}
    span_ms = min(DAY_MS, DAY_MS * _CHUNK // amount.deliveries_per_day // MINUTE_MS * MINUTE_MS)
    for from_ms in range(END_MS - DAY_MS, END_MS, span_ms):
        for statement in _FROM_FACTS:
            yield statement, {"from_ms": from_ms, "to_ms": min(from_ms + span_ms, END_MS)}
    for back in range(amount.days - 1, 0, -1):
        for statement in (*_EARLIER, _EARLIER_SAMPLES) if back < SAMPLED_DAYS else _EARLIER:
            yield statement, {"back": back}


def _tell_of_now(store: Store) -> None:
    """Delivery has come to half a minute ago, and leaves one destination alone for a while."""
    about = {
        "shards": 1,
        "shard": "0",
        "at": END_MS - 1,
        "watermark": END_MS - 30_000,
        "positions": [],
        "log_offset": 1,
    }
    reports = [{**about, "log_partition": partition} for partition in range(PARTITIONS)]
    trouble = {"destination": DESTINATION, "at": END_MS - 5 * MINUTE_MS, "log_partition": 0, "log_offset": 1,
               "state": "open", "code": "503", "message": "busy", "until": END_MS}  # fmt: skip
    for table, rows in (("watermarks", reports), ("destination_states", [trouble])):
        if refused := store.insert(table, rows):
            raise ValueError(f"{table}: {refused[0].reason}")


def _merge(store: Store, progress: Progress) -> None:
    """Make one part of each closed partition, as servers do after an hour, and wait for the merges under way."""
    parts = "SELECT DISTINCT table, partition_id FROM system.parts WHERE active AND database = {store:String}"
    open_ids = {time.strftime(form, time.gmtime(END_MS / 1_000)) for form in ("%Y%m%d", "%Y%m")} | {"all"}
    with store.client() as client:
        found = client.query(parts, parameters={"store": store.database}).result_rows
        closed = sorted((table, partition) for table, partition in found if partition not in open_ids)
        for table, partition in progress.track(closed, description="Merging"):
            statement = f"OPTIMIZE TABLE {table} PARTITION ID '{partition}' FINAL"
            client.command(statement, settings={"optimize_skip_merged_partitions": 1})
        deadline = time.monotonic() + _SETTLE_SECONDS
        while client.command("SELECT count() FROM system.merges") and time.monotonic() < deadline:
            time.sleep(0.2)
