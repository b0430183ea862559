"""Prescribed answers: each event says what it must be answered; the receiver tells whether Waybill did as it should."""

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from flows.delivery.dataflow import FLOW
from flows.runtime.recovery import log_id
from flows.topics.interface import EVENTS as EVENTS_TOPIC
from model.delivery.retry_tiers import RETRY_TIERS
from model.events.envelope import decode_record
from model.events.ids import delivery_id
from tests.kit.cluster import Cluster, cluster, plain_events
from tests.kit.system import wait_until

ATTEMPTS = 4
QUICK = (
    f"attempts: {ATTEMPTS}\nwindow_seconds: 120\nfirst_wait_seconds: 0.2\nwait_factor: 1.5\nsetup_probe_seconds: 1\n"
)
# Answers, and how many calls they must cost.
SCRIPTS: list[tuple[list[Any], int]] = [
    ([200], 1),
    ([204], 1),
    ([503, 200], 2),
    ([500, 502, 200], 3),
    (["close", 200], 2),
    ([{"status": 429, "retry_after": 1}, 200], 2),
    ([400], 1),
    ([{"status": 422, "body": {"message": "no such product"}}], 1),
    ([501], 1),
    ([503, 404], 2),
    ([503], ATTEMPTS),
    ([503, 503, 503, 200], 4),
]
WEIGHTS = [60, 5, 8, 3, 2, 1, 5, 3, 1, 3, 4, 5]


def expected_state(answers: list[Any]) -> str:
    """What becomes of a delivery with these answers."""
    last = answers[-1]["status"] if isinstance(answers[-1], dict) else answers[-1]
    return "delivered" if last < 300 else "expired" if last == 503 else "discarded"


def test_every_prescribed_answer_is_followed_and_accounted_for(tmp_path: Path) -> None:
    chosen = random.Random(11).choices(SCRIPTS, WEIGHTS, k=2_000)
    events = plain_events(len(chosen))
    for event, (answers, _) in zip(events, chosen, strict=True):
        event["properties"]["script"] = answers
    with cluster(tmp_path, {"crm": "/scripted"}, QUICK) as made:
        made.start("recording")
        made.start("delivery")
        made.send(events)
        made.wait_for("scripted", {"calls": sum(calls for _, calls in chosen)}, seconds=180)
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
        answered = made.target.keys("scripted")
        calls_by_message = {message: len(answered[key]) for message, key in keys_by_message(made).items()}
        tally = made.target.tally()["scripted"]
    states = [expected_state(answers) for answers, _ in chosen]
    assert numbers["balance"] == {
        "routed": len(chosen), "filtered": 0, "delivered": states.count("delivered"),
        "discarded": states.count("discarded"), "expired": states.count("expired"), "pending": 0, "unexplained": 0,
    }  # fmt: skip
    assert numbers["metrics"]["possible_duplicates"] == 0
    assert calls_by_message == {f"m-{n}": calls for n, (_, calls) in enumerate(chosen)}
    assert tally["calls_after_success"] == 0


@pytest.mark.slow
def test_a_retry_record_that_disappears_is_unexplained(tmp_path: Path) -> None:
    delivery = "attempts: 3\nwindow_seconds: 600\nfirst_wait_seconds: 2\njitter: 0\n"
    with cluster(tmp_path, {"crm": "/status/503"}, delivery) as made:
        made.start("recording")
        made.start("delivery")
        made.send(plain_events(5))
        made.wait_for("status/503", {"calls": 5})
        made.stop("delivery")
        delete_last_retry_record(made)
        made.start("delivery")
        made.wait_for("status/503", {"calls": 13})  # three attempts of five deliveries, but only one of the lost one

        def settled() -> bool:
            made.stop("recording")
            found: dict[str, int] = made.numbers()["balance"]
            made.start("recording")
            return found["pending"] == 0

        wait_until(settled, 60, "watermark beyond the lost delivery")
        made.stop("delivery")
        made.stop("recording")
        numbers = made.numbers()
    assert numbers["balance"]["routed"] == 5 and numbers["balance"]["expired"] == 4
    assert numbers["balance"]["unexplained"] == 1


def keys_by_message(made: Cluster) -> dict[str, str]:
    """The delivery id of each event, from where it stands in the events log."""
    topics = made.deployment.topics
    keys = {}
    for partition in range(topics.partitions(EVENTS_TOPIC)):
        reader = topics.reader(EVENTS_TOPIC, partition, 0)
        while records := reader.read(1_000, 10_000_000):
            for record in records:
                message = decode_record(record.value)[1].split(b'"messageId":"')[1].split(b'"')[0].decode()
                keys[message] = delivery_id(log_id(topics, FLOW), partition, record.offset, "web", "crm", "")
    return keys


def delete_last_retry_record(made: Cluster) -> None:
    """Undo the last append to a tier, as a broken disk or a careless person might."""
    for tier in RETRY_TIERS:
        with sqlite3.connect(made.data / "topics" / f"{tier.topic}.sqlite") as db:
            for (number,) in db.execute("SELECT number FROM partitions").fetchall():
                last = db.execute(f"SELECT max(offset) FROM records_{number}").fetchone()[0]
                if last is not None:
                    db.execute(f"DELETE FROM records_{number} WHERE offset = ?", (last,))
                    db.execute("UPDATE partitions SET next_offset = ? WHERE number = ?", (last, number))
                    return
    raise AssertionError("no retry record to delete")
