"""Where the time of every outcome went: its four parts add up to its latency and are what was really waited for."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.kit.batch_receiver import wait_until_settled
from tests.kit.cluster import Cluster, plain_events
from tests.kit.system import WRITE_KEY, receiver

EVENTS = 150
BEFORE_KILL = 50
DELIVERY = """\
attempts: 4
window_seconds: 5
first_wait_seconds: 0.3
wait_factor: 1.5
"""
SLOW_MS = 60
RATE_PER_SECOND = 50
HALVED = 8
# A destination for each thing that takes time.
DESTINATIONS = {
    "slow": f"/slow?ms={SLOW_MS}",
    "scripted": "/scripted",  # fails for some, is too busy for others
    "limited": f"/slow/limited?ms={SLOW_MS}",
    "down": "/status/503",
    "batched": f"/slow/batched?ms={SLOW_MS}",
    "halved": f"/status/400?ms={SLOW_MS}",
}
SETTINGS = {
    "scripted": "breaker: {enabled: false}",
    "limited": f"calls_per_second: {RATE_PER_SECOND}",
    "down": "breaker: {min_calls: 5, pause_seconds: 1}",
    "batched": "batch: {max_events: 20, max_age_seconds: 0.5}",
    "halved": f"batch: {{max_events: {HALVED}, max_age_seconds: 0.2}}",
}
SCRIPTS: list[list[Any]] = [[200], [503, 200], [503, 503, 200], [{"status": 429, "retry_after": 1}, 200], [503], [400]]

SUMS = """\
SELECT count() AS outcomes,
       countIf(queue_ms + retry_wait_ms + limit_wait_ms + calls_ms != latency_ms) AS wrong,
       countIf(latency_ms != toUnixTimestamp64Milli(at) - toUnixTimestamp64Milli(received_at)) AS wrong_latency
FROM {table} FINAL WHERE kind = 'outcome'
"""
TAMPERED = [
    "CREATE TABLE tampered AS facts",
    "INSERT INTO tampered SELECT * FROM facts FINAL",
    *(
        f"INSERT INTO tampered SELECT * REPLACE ({part} + 1 AS {part}, log_offset + {number}000000 AS log_offset)"  # noqa: S608
        " FROM facts FINAL WHERE kind = 'outcome' LIMIT 1"
        for number, part in enumerate(("queue_ms", "retry_wait_ms", "limit_wait_ms", "calls_ms"), 1)
    ),
]
# Of deliveries that met no crash: what was waited for in a run that died is not always known, and then counts as queue.
PARTS = """\
SELECT destination, count() AS outcomes, countIf(state = 'delivered') AS delivered,
       countIf(failed AND retry_wait_ms = 0) AS failed_without_wait,
       countIf(NOT failed AND retry_wait_ms > 0) AS waits_without_failure,
       countIf(throttled AND limit_wait_ms < 1000) AS throttled_without_wait,
       countIf(failed) AS failures, countIf(throttled) AS throttles,
       countIf(limit_wait_ms > 0) AS limited, max(limit_wait_ms) AS most_limit_wait_ms,
       minIf(calls_ms, attempt > 0) AS least_calls_ms, max(calls_ms) AS most_calls_ms,
       countIf(attempt = 0 AND calls_ms > 0) AS calls_without_call
FROM (SELECT * FROM facts FINAL WHERE kind = 'outcome' AND count = 1 AND NOT replayed) AS outcomes
LEFT JOIN (
    SELECT delivery_id, countIf(failure = 'retry') > 0 AS failed, countIf(failure = 'throttle') > 0 AS throttled
    FROM facts FINAL WHERE kind = 'attempt_failed' GROUP BY delivery_id
) AS attempts USING (delivery_id)
GROUP BY destination
"""
OPENED = "SELECT countIf(state = 'open') AS opened FROM destination_states FINAL WHERE destination = 'down'"
# In a process of its own: chDB allows one directory per process.
ASK = """\
import sys, orjson
from sinks.clickhouse.store import open_store
store = open_store(sys.argv[1])
with store.client() as client:
    for statement in orjson.loads(sys.stdin.buffer.read()):
        if statement.startswith("SELECT"):
            sys.stdout.buffer.write(orjson.dumps(list(client.query(statement).named_results())))
        else:
            client.command(statement)
store.close()
"""


def ask(made: Cluster, *statements: str) -> list[dict[str, Any]]:
    """Run SQL in the store while nothing else has it open; returns the rows of the one SELECT among it."""
    command = [sys.executable, "-c", ASK, made.deployment.store_url]
    done = subprocess.run(command, input=orjson.dumps(statements), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    rows: list[dict[str, Any]] = orjson.loads(done.stdout)
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A run with failures, 429s, a rate limit, an open breaker, batches and a kill -9; all of it settled."""
    events = plain_events(EVENTS)
    for number, event in enumerate(events):
        event["properties"]["script"] = SCRIPTS[number % len(SCRIPTS)]
    with receiver() as target:
        lines = ["version: 1", "ingest: {port: 0}", f"sources: [{{id: web, write_keys: [{WRITE_KEY}]}}]"]
        lines.append("destinations:")
        for name, path in DESTINATIONS.items():
            more = f", {SETTINGS[name]}" if name in SETTINGS else ""
            lines.append(f'  - {{id: {name}, type: webhook, url: "{target.address}{path}"{more}}}')
        lines += ["connections:", *(f"  - {{source: web, destination: {name}}}" for name in DESTINATIONS)]
        lines += ["delivery:", "  allow_addresses: [127.0.0.0/8]", *(f"  {line}" for line in DELIVERY.splitlines())]
        made = Cluster(tmp_path_factory.mktemp("parts"), "\n".join(lines) + "\n", target)
        try:
            made.start("recording")
            made.start("delivery")
            made.send(events[:BEFORE_KILL])
            made.wait_for("scripted", {"calls": BEFORE_KILL})
            made.kill("delivery")
            calls = target.tally()["scripted"]["calls"]
            made.start("delivery")
            made.wait_for("scripted", {"calls": calls + 1})  # what comes now met no crash
            made.send(events[BEFORE_KILL:])
            wait_until_settled(made, EVENTS * len(DESTINATIONS))
            made.stop("delivery")
            made.stop("recording")
            yield made
        finally:
            made.close()


def test_the_four_parts_of_every_outcome_add_up_to_its_latency(made: Cluster) -> None:
    [sums] = ask(made, SUMS.format(table="facts"))
    assert sums["outcomes"] >= EVENTS * len(DESTINATIONS)
    assert (sums["wrong"], sums["wrong_latency"]) == (0, 0)


def test_control_each_part_that_is_tampered_with_is_found(made: Cluster) -> None:
    [sums] = ask(made, *TAMPERED, SUMS.format(table="tampered"))
    assert sums["wrong"] == 4


def test_each_part_is_what_was_really_waited_for(made: Cluster) -> None:
    parts = {row["destination"]: row for row in ask(made, PARTS)}
    [states] = ask(made, OPENED)
    assert parts.keys() == DESTINATIONS.keys()
    for row in parts.values():
        assert row["outcomes"] >= EVENTS - BEFORE_KILL
        assert row["failed_without_wait"] == row["waits_without_failure"] == row["throttled_without_wait"] == 0, row
        assert row["calls_without_call"] == 0, row
    for name in ("slow", "limited", "batched", "halved"):
        assert parts[name]["least_calls_ms"] >= SLOW_MS
    slow, scripted, limited, down = (parts[name] for name in ("slow", "scripted", "limited", "down"))
    assert scripted["failures"] > 0 and scripted["throttles"] > 0
    assert slow["limited"] == parts["batched"]["limited"] == parts["halved"]["limited"] == 0
    assert limited["limited"] > limited["outcomes"] / 2
    assert limited["most_limit_wait_ms"] >= 1_000 * (EVENTS - BEFORE_KILL) / RATE_PER_SECOND / 2
    assert states["opened"] > 0 and down["limited"] > down["outcomes"] / 2
    # The last of a batch that is halved to the end has waited for a call with each half.
    assert parts["halved"]["most_calls_ms"] >= (2 * HALVED - 1) * SLOW_MS
