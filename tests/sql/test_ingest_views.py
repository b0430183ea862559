"""The views of what ingest took and refused, on a real chDB."""

from sinks.clickhouse.store import Store
from tests.kit.recording import BASE_MS, Event, Log, rejected

HOUR = 3_600_000
PERIOD = {"from_ms": BASE_MS, "to_ms": BASE_MS + HOUR}


def ingest_log() -> Log:
    """Events of two sources, a duplicate, a record nobody can read, and refusals of three sources."""
    log = Log()
    log.append(
        Event(0, BASE_MS).received(), Event(1, BASE_MS + 1, source="ios").received(), Event(2, BASE_MS + 2).duplicate()
    )
    log.append(rejected(BASE_MS + 5, 4), rejected(BASE_MS + 6, 1, message_id="worse", message="50 KB"))
    log.append(rejected(BASE_MS + 7, 2, source="ios", code="not_json", message_id=""))
    log.append(rejected(BASE_MS + 8, 9, source="", code="unknown_source"))
    log.append(rejected(BASE_MS + HOUR, 1), rejected(BASE_MS - 1, 1))  # of other periods
    return log


def test_the_numbers_of_ingest_by_source_add_up_to_those_of_all(store: Store) -> None:
    log = ingest_log()
    log.record(store)
    log.record(store)  # at least once
    rows = {row["source"]: row for row in store.view("ingest_by_source", **PERIOD)}
    names = ("ingested", "accepted", "rejected", "duplicates", "routed_events")
    assert {source: [row[name] for name in names] for source, row in rows.items()} == {
        "": [9, 0, 9, 0, 0],
        "ios": [3, 1, 2, 0, 1],
        "web": [7, 2, 5, 1, 1],
    }
    [everything] = store.view("ingest_balance", **PERIOD)
    assert [sum(row[name] for row in rows.values()) for name in names] == [everything[name] for name in names]
    assert store.view("ingest_by_source", **PERIOD, source="ios") == [rows["ios"]]
    assert store.view("ingest_by_source", **PERIOD, source="quiet") == []


def test_rejections_say_what_was_refused_and_why(store: Store) -> None:
    log = ingest_log()
    log.record(store)
    log.record(store)
    rows = store.view("rejections", **PERIOD)
    assert [(row["source"], row["code"], row["items"]) for row in rows] == [
        ("", "unknown_source", 9),
        ("web", "event_too_large", 5),
        ("ios", "not_json", 2),
    ]
    [web] = store.view("rejections", **PERIOD, source="web")
    assert web == rows[1]
    assert web["description"] and web["action"] and web["owner"] == "source"
    assert (web["message"], web["message_ids"]) == ("50 KB", ["worse", "bad"])
    assert (web["first_seen"], web["last_seen"]) == (BASE_MS + 5, BASE_MS + 6)
    assert rows[2]["message_ids"] == []
